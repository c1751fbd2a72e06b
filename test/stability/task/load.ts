// SPDX-License-Identifier: Apache-2.0

import { StabilityError } from "../errors.ts";
import type { ClusterFault } from "../faults/fault.ts";
import { FORMS, parseWords } from "../faults/words.ts";
import { type Configured, check, find, type Issue, type Plugin } from "../plugin.ts";
import type { Registry } from "../registry.ts";
import { consistent } from "./consistent.ts";
import { invalid, locate } from "./lines.ts";
import { TASK, type TaskShape } from "./schema.ts";
import type { HookPlan, LoadPlan, Named, RunPlan, Task } from "./task.ts";
import { render, type Variables } from "./template.ts";

type Path = readonly (string | number)[];
type RunShape = TaskShape["runs"][number];

/** The target that is used if the task names none. */
const DEFAULT_TARGET = "lab";

/**
 * Reads a task: renders it, checks its shape, its plugins with their options, and whether they are consistent. Throws StabilityError `invalid-task` with
 * all errors, each with its line. `file` is for these messages.
 */
export function loadTask(file: string, source: string, variables: Variables, registry: Registry): Task {
  const located = locate(file, render(file, source, variables));
  const shape = check(TASK, located.value);
  if (!shape.ok) throw invalid(located, shape.issues);
  const issues: Issue[] = [];
  const task = new Builder(registry, issues).task(shape.value);
  if (issues.length > 0 || task === undefined) throw invalid(located, issues);
  const misfits = consistent(task);
  if (misfits.length > 0) throw invalid(located, misfits);
  return task;
}

/** The task with those of its runs whose names contain a text. Throws StabilityError `invalid-task` if there is none. */
export function onlyRuns(task: Task, text = ""): Task {
  const runs = task.runs.filter(({ name }) => name.includes(text));
  if (runs.length > 0) return { ...task, runs };
  const names = task.runs.map(({ name }) => `  ${name}`).join("\n");
  throw new StabilityError("invalid-task", `no run has "${text}" in its name; there are:\n${names}`);
}

/** Binds the names in a task to plugins, and collects errors. */
class Builder {
  readonly #registry: Registry;
  readonly #issues: Issue[];

  constructor(registry: Registry, issues: Issue[]) {
    this.#registry = registry;
    this.#issues = issues;
  }

  task(shape: TaskShape): Task | undefined {
    const target = this.#only(this.#registry.targets, "target", shape.target ?? { [DEFAULT_TARGET]: null }, ["target"]);
    const runs = shape.runs.map((run, n) => this.#run(run, ["runs", n], shape.repeat));
    if (target === undefined || this.#issues.length > 0) return undefined;
    const options = shape.target?.[target.name] ?? null;
    return {
      title: shape.title,
      seed: shape.seed,
      target: { name: target.name, options, choice: target.bound },
      runs: runs.filter((run) => run !== undefined),
    };
  }

  #run(shape: RunShape, path: Path, repeat: number): RunPlan | undefined {
    const before = this.#issues.length;
    const contexts = this.#all(this.#registry.contexts, "context", shape.context, [...path, "context"]);
    const loads = shape.load.map((load, n) => this.#load(load, [...path, "load", n]));
    const hooks = shape.hooks.map((hook, n) => this.#hook(hook, [...path, "hooks", n]));
    const verifiers = this.#all(this.#registry.verifiers, "verifier", shape.verify, [...path, "verify"]);
    if (this.#issues.length > before) return undefined;
    return {
      name: shape.name,
      repeat: shape.repeat ?? repeat,
      contexts: contexts.toSorted((a, b) => a.bound.order - b.bound.order),
      loads: loads.filter((load) => load !== undefined),
      hooks: hooks.filter((hook) => hook !== undefined),
      verifiers,
      settle: shape.settle,
    };
  }

  #load(shape: RunShape["load"][number], path: Path): LoadPlan | undefined {
    const scenario = this.#only(this.#registry.scenarios, "scenario", shape.scenario, [...path, "scenario"]);
    const runner = this.#only(this.#registry.runners, "runner", shape.runner, [...path, "runner"]);
    const slas = this.#all(this.#registry.slas, "sla", shape.sla, [...path, "sla"]);
    if (scenario === undefined || runner === undefined) return undefined;
    return { name: shape.name ?? scenario.name, scenario: scenario.bound, runner: runner.bound, slas };
  }

  #hook(shape: RunShape["hooks"][number], path: Path): HookPlan | undefined {
    const fault = this.#fault(shape.fault, [...path, "fault"]);
    const trigger = this.#only(this.#registry.triggers, "trigger", shape.at, [...path, "at"]);
    if (fault === undefined || trigger === undefined) return undefined;
    const seconds = shape.for ?? fault.seconds ?? 0;
    if (fault.bound.lasts && seconds === 0)
      return this.#wrong(path, `${fault.bound.shown} lasts until it is ended: say for how long ("for: 10")`);
    return { fault: fault.bound, trigger: trigger.bound, seconds };
  }

  #fault(shape: RunShape["hooks"][number]["fault"], path: Path): { bound: ClusterFault; seconds?: number } | undefined {
    const { faults } = this.#registry;
    if (typeof shape !== "string") return this.#only(faults, "fault", shape, path);
    const words = parseWords(shape);
    if (words === undefined) return this.#wrong(path, `cannot read the fault "${shape}"; write ${FORMS.join(" | ")}`);
    const found = this.#configure(faults, "fault", words.plugin, words.options, path, path);
    if (found === undefined) return undefined;
    return words.seconds === undefined ? { bound: found } : { bound: found, seconds: words.seconds };
  }

  /** The one plugin of a mapping. */
  #only<B>(
    plugins: readonly Plugin<B>[],
    kind: string,
    map: Record<string, unknown>,
    path: Path,
  ): Named<B> | undefined {
    return this.#all(plugins, kind, map, path)[0];
  }

  #all<B>(plugins: readonly Plugin<B>[], kind: string, map: Record<string, unknown>, path: Path): readonly Named<B>[] {
    return Object.entries(map).flatMap(([name, options]) => {
      const bound = this.#configure(plugins, kind, name, options, [...path, name], [...path, name]);
      return bound === undefined ? [] : [{ name, bound }];
    });
  }

  #configure<B>(
    plugins: readonly Plugin<B>[],
    kind: string,
    name: string,
    options: unknown,
    namePath: Path,
    optionsPath: Path,
  ): B | undefined {
    const found = find(plugins, kind, name);
    if (!found.ok) return this.#add(found, namePath);
    const configured = found.value.configure(options);
    return configured.ok ? configured.value : this.#add(configured, optionsPath);
  }

  #add(result: Extract<Configured<unknown>, { ok: false }>, path: Path): undefined {
    this.#issues.push(...result.issues.map((issue) => ({ ...issue, path: [...path, ...issue.path] })));
    return undefined;
  }

  #wrong(path: Path, message: string): undefined {
    this.#issues.push({ path, message });
    return undefined;
  }
}
