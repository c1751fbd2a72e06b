// SPDX-License-Identifier: Apache-2.0

import type { Issue } from "../plugin.ts";
import type { RunPlan, Task } from "./task.ts";

/**
 * Combinations that cannot work although each part of them is valid: found before anything is run. Paths are those of
 * the task as written.
 */
export function consistent(task: Task): readonly Issue[] {
  const names = new Set<string>();
  return task.runs.flatMap((run, n) => {
    const path = ["runs", n] as const;
    const twice = names.has(run.name);
    names.add(run.name);
    return [
      ...(twice ? [{ path: [...path, "name"], message: `another run is called "${run.name}"` }] : []),
      ...missingContexts(run, path),
      ...neverFires(run, path),
      ...unmeasurable(run, path),
      ...doubleLoads(run, path),
    ];
  });
}

type Path = readonly (string | number)[];

function missingContexts({ contexts, loads }: RunPlan, path: Path): readonly Issue[] {
  const there = new Set(contexts.map(({ name }) => name));
  const missing = (requires: readonly string[], who: string, at: Path): readonly Issue[] =>
    requires
      .filter((name) => !there.has(name))
      .map((name) => ({ path: at, message: `${who} needs the context "${name}"` }));
  return [
    ...contexts.flatMap(({ name, bound }) => missing(bound.requires, `context ${name}`, [...path, "context", name])),
    ...loads.flatMap(({ name, scenario }, n) => missing(scenario.requires, name, [...path, "load", n, "scenario"])),
  ];
}

function neverFires({ hooks, loads }: RunPlan, path: Path): readonly Issue[] {
  return hooks.flatMap(({ trigger, fault }, n) => {
    const at = [...path, "hooks", n, "at"];
    const { seconds, iteration } = trigger;
    if (seconds !== undefined) {
      const longest = Math.max(...loads.map(({ runner }) => runner.seconds ?? Number.POSITIVE_INFINITY));
      if (seconds < longest) return [];
      return [{ path: at, message: `${fault.shown} never fires: the load is over after ${longest} s` }];
    }
    if (iteration === undefined) return [];
    const load = iteration.of === undefined ? loads[0] : loads.find(({ name }) => name === iteration.of);
    if (load === undefined) {
      const names = loads.map(({ name }) => name).join(", ");
      return [{ path: at, message: `there is no load "${iteration.of}"; must be one of: ${names}` }];
    }
    const most = load.runner.iterations;
    if (most === undefined || iteration.n <= most) return [];
    return [{ path: at, message: `${fault.shown} never fires: ${load.name} makes ${most} iterations` }];
  });
}

function unmeasurable({ hooks, loads }: RunPlan, path: Path): readonly Issue[] {
  if (hooks.length > 0) return [];
  return loads.flatMap(({ slas }, n) =>
    slas
      .filter(({ bound }) => bound.ofFault)
      .map(({ name }) => ({
        path: [...path, "load", n, "sla", name],
        message: `${name} cannot be measured without a hook`,
      })),
  );
}

function doubleLoads({ loads }: RunPlan, path: Path): readonly Issue[] {
  const names = loads.map(({ name }) => name);
  return names.flatMap((name, n) =>
    names.indexOf(name) < n
      ? [{ path: [...path, "load", n], message: `another load is called "${name}"; give it a name` }]
      : [],
  );
}
