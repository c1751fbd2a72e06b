// SPDX-License-Identifier: Apache-2.0

import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { ManualClock } from "../../../src/time/testing/manual-clock.ts";
import { BUILT_IN_PLUGINS } from "../plugins.ts";
import { testRegistry } from "../testing/bench.ts";
import { FakeTarget } from "../testing/fake-target.ts";
import { loadTask, onlyRuns } from "./load.ts";

const registry = testRegistry(new FakeTarget(new ManualClock()));
const load = (source: string) => loadTask("t.yaml", `target: { fake: }\n${source}`, {}, registry);

/** A run of a task, with its parts on separate lines: line 5 is the load, 6 its runner, 7 its SLA, 8 the hooks, 9 the verifiers. */
function task(
  parts: Partial<Record<"context" | "scenario" | "runner" | "sla" | "hooks" | "verify", string>> = {},
): string {
  const {
    context = "",
    scenario = "work: ",
    runner = "rps: { rps: 1, seconds: 9 }",
    sla = "",
    hooks = "",
    verify = "",
  } = parts;
  return `title: t
runs:
  - { name: a, context: { ${context} }, load: [
      { scenario: { ${scenario} },
        runner: { ${runner} },
        sla: { ${sla} } } ],
      hooks: [ ${hooks} ],
      verify: { ${verify} } }
`;
}

t.test("a task's plugins get their options, and contexts their order", async (t) => {
  const loaded = load(
    task({
      context: "pods: { each_node: 2 }, thing: , namespace: ",
      hooks:
        "{ fault: freeze nb service for 3 seconds, at: { iteration: 2 } }, { fault: { kill: { part: cni } }, at: { seconds: 1 } }",
      sla: "longest_gap: { max: 1 }",
      verify: "no_leaks: ",
    }),
  );
  const [run] = loaded.runs;
  t.same(
    run?.contexts.map(({ name }) => name),
    ["namespace", "pods", "thing"],
  );
  t.same(
    run?.hooks.map(({ fault, seconds }) => [fault.shown, seconds]),
    [
      ["hang nb", 3],
      ["kill daemon", 0],
    ],
  );
  t.equal(run?.settle, 5);
});

t.test("errors have their line and path", async (t) => {
  for (const [source, message] of [
    ["title: t", "t.yaml:1: runs: Invalid input: expected array, received undefined"],
    ["title: t\nruns: [", "t.yaml:3: Flow sequence"],
    ["title: t\ntitle: u\nruns: []", "t.yaml:3: Map keys must be unique"],
    ["title: t\nruns: *none", "t.yaml:3: Unresolved alias (the anchor must be set before the alias): none"],
    [`a: &a [1]\nb: &b [${"*a, ".repeat(30)}]\nruns: [${"*b, ".repeat(30)}]`, "t.yaml:4: Excessive alias count"],
    [
      `colour: red\n${task()}`,
      't.yaml:2: colour: unknown field "colour"; must be one of: title, seed, repeat, target, runs',
    ],
    [
      task({ scenario: "pong: " }),
      't.yaml:5: runs[0].load[0].scenario.pong: unknown scenario "pong"; must be one of: dns, http',
    ],
    [task({ scenario: "work: , ping: " }), "t.yaml:5: runs[0].load[0].scenario: must name exactly one plugin"],
    [task({ runner: "rps: { rps: 0, seconds: 9 }" }), "t.yaml:6: runs[0].load[0].runner.rps.rps: Too small"],
    [
      task({ runner: "rps: { rps: 1, second: 9 }" }),
      't.yaml:6: runs[0].load[0].runner.rps.second: unknown field "second"; must be one of: rps, seconds, max_at_once',
    ],
    [task({ sla: "uptime: { max: 1 }" }), 't.yaml:7: runs[0].load[0].sla.uptime: unknown sla "uptime"'],
    [
      task({ hooks: "{ fault: break daemon, at: { seconds: 1 } }" }),
      't.yaml:8: runs[0].hooks[0].fault: cannot read the fault "break daemon"; write kill|restart|freeze',
    ],
    [
      task({ hooks: "{ fault: kill nova service, at: { seconds: 1 } }" }),
      't.yaml:8: runs[0].hooks[0].fault.part: unknown part "nova"; must be one of: daemon, controller',
    ],
    [
      task({ hooks: "{ fault: kill daemon leader service, at: { seconds: 1 } }" }),
      "daemon has no role leader; it has no roles",
    ],
    [
      task({ hooks: "{ fault: freeze daemon, at: { seconds: 1 } }" }),
      't.yaml:8: runs[0].hooks[0]: hang daemon lasts until it is ended: say for how long ("for: 10")',
    ],
    [task({ verify: "nothing: " }), 't.yaml:9: runs[0].verify.nothing: unknown verifier "nothing"'],
  ] as const) {
    t.throws(() => load(source), { code: "invalid-task" }, message);
    try {
      load(source);
    } catch (error) {
      t.match(error instanceof Error ? error.message : "", message);
    }
  }
});

t.test("combinations that can never work are found before anything is run", async (t) => {
  for (const [source, message] of [
    [task({ scenario: "http: " }), 't.yaml:5: runs[0].load[0].scenario: http needs the context "pods"'],
    [task({ context: "pods: " }), 't.yaml:4: runs[0].context.pods: context pods needs the context "namespace"'],
    [
      task({ hooks: "{ fault: kill daemon, at: { seconds: 9 } }" }),
      "t.yaml:8: runs[0].hooks[0].at: kill daemon never fires: the load is over after 9 s",
    ],
    [
      task({ runner: "serial: { times: 3 }", hooks: "{ fault: kill daemon, at: { iteration: 4 } }" }),
      "t.yaml:8: runs[0].hooks[0].at: kill daemon never fires: work makes 3 iterations",
    ],
    [
      task({ hooks: "{ fault: kill daemon, at: { iteration: { n: 1, of: play } } }" }),
      't.yaml:8: runs[0].hooks[0].at: there is no load "play"; must be one of: work',
    ],
    [
      task({ sla: "recovery: { max: 1 }" }),
      "t.yaml:7: runs[0].load[0].sla.recovery: recovery cannot be measured without a hook",
    ],
    [
      `${task()}  - ${JSON.stringify({ name: "a", load: [{ scenario: { work: {} }, runner: { serial: { times: 1 } } }] })}`,
      't.yaml:10: runs[1].name: another run is called "a"',
    ],
  ] as const) {
    try {
      load(source);
      t.fail(message);
    } catch (error) {
      t.match(error instanceof Error ? error.message : "", message);
    }
  }
});

t.test("runs of a task can be selected by their names", async (t) => {
  const two = load(`${task()}  - { name: b, load: [{ scenario: { work: }, runner: { serial: { times: 1 } } }] }`);
  const names = (text?: string): readonly string[] => onlyRuns(two, text).runs.map(({ name }) => name);
  t.same([names(), names("b")], [["a", "b"], ["b"]]);
  t.throws(() => names("c"), { code: "invalid-task", message: 'no run has "c" in its name; there are:\n  a\n  b' });
});

t.test("all problems of a task are reported at once", async (t) => {
  try {
    load(task({ scenario: "pong: ", runner: "fast: ", sla: "none: " }));
    t.fail();
  } catch (error) {
    t.equal(error instanceof Error ? error.message.split("\n").length : 0, 3);
  }
});

t.test("the built-in tasks are valid", async (t) => {
  const folder = join(import.meta.dirname, "../tasks");
  const files = globSync("*.yaml", { cwd: folder });
  t.ok(files.length >= 2);
  for (const file of files) {
    const { runs } = loadTask(join(folder, file), readFileSync(join(folder, file), "utf8"), {}, BUILT_IN_PLUGINS);
    t.ok(runs.length > 0, file);
  }
});
