// SPDX-License-Identifier: Apache-2.0

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Test } from "tap";
import { z } from "zod";
import { CONFIG_MAPS } from "../../../src/kube/resources.ts";
import { ManualClock } from "../../../src/time/testing/manual-clock.ts";
import type { Context } from "../contexts/context.ts";
import { plugin } from "../plugin.ts";
import { BUILT_IN_PLUGINS } from "../plugins.ts";
import type { Registry } from "../registry.ts";
import type { TaskResult } from "../report/result.ts";
import { UndoJournal } from "../run/journal.ts";
import { pauseOrAbort } from "../run/pause.ts";
import { runTask } from "../run/run-task.ts";
import type { Scenario } from "../scenarios/scenario.ts";
import { isPartName } from "../targets/parts.ts";
import type { TargetChoice } from "../targets/target.ts";
import { loadTask } from "../task/load.ts";
import { FakeTarget } from "./fake-target.ts";

/** The built-in plugins, and a context, a scenario and a target for tests. */
export function testRegistry(target: FakeTarget, more: Partial<Registry> = {}): Registry {
  const thing = plugin({
    name: "thing",
    summary: "a ConfigMap",
    options: z.strictObject({
      name: z.string().default("thing"),
      fails: z.boolean().default(false),
      order: z.int().default(50),
    }),
    bind: ({ name, fails, order }): Context => ({
      order,
      needs: ["kubernetes"],
      requires: [],
      async setUp(stage) {
        stage.record({ by: "kubernetes", kind: "delete", resource: CONFIG_MAPS, namespace: "default", name });
        await stage.target.kube.create(CONFIG_MAPS, { metadata: { namespace: "default", name } });
        if (fails) throw new Error("half-way");
      },
    }),
  });
  const work = plugin({
    name: "work",
    summary: "takes some ms; fails while a part is away",
    options: z.strictObject({
      ms: z.number().default(5),
      part: z.string().optional(),
      fails: z.boolean().default(false),
      fails_from: z.int().default(Number.MAX_SAFE_INTEGER),
    }),
    bind: ({ ms, part, fails, fails_from }): Scenario => ({
      needs: [],
      requires: [],
      async prepare({ target: at, clock }) {
        return {
          iterate: (actions, n) =>
            actions.timed("work", async () => {
              await pauseOrAbort(clock, ms);
              const away = part !== undefined && isPartName(part) && !target.runs(part, "n1");
              if (fails || away || n >= fails_from) throw new Error(`${part ?? "it"} is away`);
            }),
          stop: async () => void target.done.push(`stopped on ${at.name}`),
        };
      },
    }),
  });
  const fake = plugin({
    name: "fake",
    summary: "in memory",
    options: z.strictObject({}),
    bind: (): TargetChoice => ({ open: async () => target }),
  });
  return {
    ...BUILT_IN_PLUGINS,
    contexts: [...BUILT_IN_PLUGINS.contexts, thing, ...(more.contexts ?? [])],
    scenarios: [...BUILT_IN_PLUGINS.scenarios, work, ...(more.scenarios ?? [])],
    targets: [fake],
    verifiers: [...BUILT_IN_PLUGINS.verifiers, ...(more.verifiers ?? [])],
    slas: [...BUILT_IN_PLUGINS.slas, ...(more.slas ?? [])],
    faults: [...BUILT_IN_PLUGINS.faults, ...(more.faults ?? [])],
    runners: [...BUILT_IN_PLUGINS.runners, ...(more.runners ?? [])],
  };
}

/** A fake target with a manual clock and a journal, and tasks that run on it without delay. */
export class TestBed {
  readonly clock = new ManualClock();
  readonly target = new FakeTarget(this.clock);
  readonly journalPath: string;
  readonly interrupt = new AbortController();
  readonly said: string[] = [];

  constructor(t: Test) {
    this.journalPath = join(t.testdir(), "journal.jsonl");
  }

  /** Whether something is left to undo. */
  get unfinished(): boolean {
    return existsSync(this.journalPath);
  }

  /** Runs a task (YAML) to its end, without delay, with additional plugins, or others `instead` of all of a kind. */
  async run(source: string, more: Partial<Registry> = {}, instead: Partial<Registry> = {}): Promise<TaskResult> {
    const registry = { ...testRegistry(this.target, more), ...instead };
    const task = loadTask("task.yaml", `target: { fake: }\n${source}`, {}, registry);
    const journal = new UndoJournal(this.journalPath);
    journal.begin({ name: "fake", options: null });
    const { clock, target, said } = this;
    const log = (message: string): void => void said.push(message);
    const run = runTask(task, { target, clock, journal, signal: this.interrupt.signal, log });
    try {
      return await this.until(run);
    } finally {
      journal.end();
    }
  }

  /** Advances the clock until a promise has settled. */
  async until<R>(promise: Promise<R>): Promise<R> {
    let settled = false;
    const end = (): void => {
      settled = true;
    };
    promise.then(end, end);
    for (let turns = 0; !settled; turns++) {
      if (turns > 100_000) throw new Error("this never ends");
      await this.clock.advance(20);
    }
    return promise;
  }
}
