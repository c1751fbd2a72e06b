// SPDX-License-Identifier: Apache-2.0

import { type ChildProcess, fork } from "node:child_process";
import { setImmediate as turn } from "node:timers/promises";
import type { FactStore } from "../../facts/store.ts";
import type { FactKind, FactTypes } from "../../facts/types.ts";
import type { PlanAnswer } from "../../page/contract.ts";
import { PageError } from "../../page/page-error.ts";
import type { PlanVerb } from "../../page/plan.ts";
import { type Viewer, visibleNamespaces } from "../../page/viewer.ts";
import type { Timers } from "../../time/clock.ts";
import { PLAN_COMMAND, type PlanInput, type PlanOutput } from "./plan-messages.ts";

/** What is planned. */
export interface PlanQuestion {
  /** Of policies without one. */
  readonly namespace: string;
  readonly manifest: string;
  readonly verb: PlanVerb;
}

/** How long a plan may take, in ms. */
const DEADLINE_MS = 60_000;
/** The memory of its JavaScript objects, in MiB. */
const HEAP_MIB = 1_024;
/** Facts that are sent at a time, so that the event loop turns between. */
const PART = 500;

/**
 * Makes plans in a process of their own, one at a time: a plan compiles everything twice, which takes seconds of CPU at 5,000 pods, and the controller must not stop deciding meanwhile. The process
 * parses the manifest as the client has sent it, gets all facts as they are now, and ends with its answer.
 */
export class PlanProcess {
  readonly #facts: FactStore;
  readonly #timers: Timers;
  readonly #program: string;
  #running = false;

  /** `program`: that of the controller, which has the command {@link PLAN_COMMAND}. */
  constructor(facts: FactStore, timers: Timers, program = process.argv[1] ?? "") {
    this.#facts = facts;
    this.#timers = timers;
    this.#program = program;
  }

  /** Who gains or loses reach by a manifest, as far as the viewer sees. Rejects with a `PageError`. */
  async plan(viewer: Viewer, { namespace, manifest, verb }: PlanQuestion): Promise<PlanAnswer> {
    if (this.#running) throw new PageError("busy", "another plan is being made", { retryAfter: 5 });
    this.#running = true;
    const child = fork(this.#program, [PLAN_COMMAND], {
      serialization: "advanced",
      execArgv: [...process.execArgv, `--max-old-space-size=${HEAP_MIB}`],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const stop = this.#timers.after(DEADLINE_MS, () => child.kill("SIGKILL"));
    try {
      const { accepted, answered } = answersOf(child);
      const namespaces = visibleNamespaces(this.#facts, viewer).map(({ name }) => name);
      await send(child, {
        kind: "question",
        verb,
        manifest,
        namespace,
        ...(!viewer.sees.allNamespaces && { namespaces }),
      });
      await accepted;
      await this.#tell(child);
      await send(child, { kind: "compute" });
      return await answered;
    } finally {
      stop();
      child.kill("SIGKILL");
      this.#running = false;
    }
  }

  async #tell(child: ChildProcess): Promise<void> {
    // Facts are immutable, so what is taken now is of one moment, however long it takes to be sent.
    const all = this.#facts.kinds.flatMap((kind) =>
      this.#facts.all(kind).map((fact): readonly [FactKind, FactTypes[FactKind]] => [kind, fact]),
    );
    for (let i = 0; i < all.length; i += PART) {
      await send(child, { kind: "facts", facts: all.slice(i, i + PART) });
      await turn();
    }
  }
}

function send(child: ChildProcess, input: PlanInput): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const failed = (cause: Error): void => reject(unavailable(cause.message, cause));
  try {
    child.send(input, (error) => (error === null ? resolve() : failed(error)));
  } catch (error) {
    failed(error instanceof Error ? error : new Error(String(error)));
  }
  return promise;
}

function answersOf(child: ChildProcess): {
  readonly accepted: Promise<void>;
  readonly answered: Promise<PlanAnswer>;
} {
  const accepted = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<PlanAnswer>();
  const failed = (error: PageError): void => {
    accepted.reject(error);
    answered.reject(error);
  };
  // Each is awaited in turn; a process that ends before says why to both.
  accepted.promise.catch(() => undefined);
  answered.promise.catch(() => undefined);
  child.on("message", (message) => {
    const output = message as PlanOutput;
    if (output.kind === "accepted") accepted.resolve();
    else if (output.kind === "answer") answered.resolve(output.answer);
    else failed(new PageError(output.code, output.message));
  });
  child.once("error", (cause) => failed(unavailable(cause.message, cause)));
  child.once("exit", (code, signal) => failed(unavailable(`its process has ended (${signal ?? `code ${code}`})`)));
  return { accepted: accepted.promise, answered: answered.promise };
}

function unavailable(why: string, cause?: Error): PageError {
  return new PageError("unavailable", `the plan was not made: ${why}`, { cause });
}
