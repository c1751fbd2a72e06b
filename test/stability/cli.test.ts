// SPDX-License-Identifier: Apache-2.0

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { CONFIG_MAPS } from "../../src/kube/resources.ts";
import { SYSTEM_CLOCK } from "../../src/time/clock.ts";
import { stability } from "./cli.ts";
import { EXIT } from "./errors.ts";
import { BUILT_IN_PLUGINS } from "./plugins.ts";
import type { Registry } from "./registry.ts";
import { TestBed, testRegistry } from "./testing/bench.ts";

const TASKS = join(import.meta.dirname, "tasks");
process.env["KUBECONFIG"] = "/nonexistent";

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command with the built-in plugins. */
async function command(...args: readonly string[]): Promise<Ended> {
  return withPlugins(BUILT_IN_PLUGINS, SYSTEM_CLOCK, args);
}

async function withPlugins(
  plugins: Registry,
  clock: typeof SYSTEM_CLOCK,
  args: readonly string[],
  interrupt: () => AbortSignal = () => new AbortController().signal,
): Promise<Ended> {
  const [out, err]: [string[], string[]] = [[], []];
  const code = await stability(args, {
    ...{ plugins, clock, interrupt },
    ...{ print: (text) => out.push(text), log: (text) => err.push(text), error: (text) => err.push(text) },
  });
  return { code, stdout: out.join("\n"), stderr: err.join("\n") };
}

/** Runs a task on a cluster in memory, as a user would; line 6 of it is the load's limits, line 7 its hooks. */
async function onFake(
  t: Test,
  { context = "", sla = "", hooks = "", verify = "" },
  prepare: (bench: TestBed) => void = () => {},
): Promise<Ended & { bench: TestBed; state: string }> {
  const bench = new TestBed(t);
  const state = join(t.testdirName, "state");
  const file = join(t.testdirName, "task.yaml");
  writeFileSync(
    file,
    `title: t
target: { fake: }
runs:
  - name: one
    load: [{ scenario: { work: { part: daemon } }, runner: { rps: { rps: 20, seconds: 5 } },
      sla: { ${sla} } }]
    hooks: [${hooks}]
    context: { ${context} }
    verify: { ${verify} }
`,
  );
  const args = [file, `--state=${state}`];
  // The clock advances while files are read and written, so timed actions are scheduled when the run begins.
  const begun = (): AbortSignal => {
    prepare(bench);
    return bench.interrupt.signal;
  };
  const ended = await bench.until(withPlugins(testRegistry(bench.target), bench.clock, args, begun));
  return { ...ended, bench, state };
}

const KILL = "{ fault: kill daemon service on n1, at: { seconds: 2 } }";

t.test("a run within its limits, one that exceeds them, and one that was interrupted", async (t) => {
  const passed = await onFake(t, { hooks: KILL, sla: "longest_gap: { max: 3 }" });
  t.match(passed, { code: EXIT.passed, stdout: /t: passed[\s\S]*result\.json\n.*result\.html\n.*result\.xml$/ });
  const failed = await onFake(t, { hooks: KILL, sla: "failures: { max: 0 }" });
  t.match(failed, { code: EXIT.failed, stdout: "FAILED failures: work: failures 40, allowed 0" });
  const leaked = await onFake(t, { verify: "no_leaks: { seconds: 1 }" }, ({ target, clock }) => {
    clock.after(3_500, () => Object.assign(target, { things: { ports: ["a"] } }));
  });
  t.match(leaked, { code: EXIT.failed, stdout: "FAILED no_leaks: ports: a was left behind" });
  const interrupted = await onFake(t, { hooks: KILL }, ({ clock, interrupt }) => {
    clock.after(1_000, () => interrupt.abort());
  });
  t.match(interrupted, { code: EXIT.interrupted, stdout: "BROKEN interrupted: the run was interrupted" });
});

t.test(
  "an error of a run is reported, its changes are undone, and its exit code differs from that of a limit",
  async (t) => {
    const cases: readonly [Parameters<typeof onFake>[1], RegExp, Parameters<typeof onFake>[2]?][] = [
      [
        { hooks: "{ fault: kill daemon, at: { iteration: 500 } }" },
        /BROKEN trigger: kill daemon never fired \(at iteration 500\): work made \d+ iterations/,
      ],
      [
        { hooks: KILL.replace("2", "0"), sla: "degradation: { max_ms: 5 }" },
        /BROKEN unmeasurable: degradation could not be measured: no iteration succeeded before the fault/,
      ],
      [{ context: "thing: { fails: true }" }, /BROKEN context: context thing could not be set up: half-way/],
      [
        { hooks: KILL },
        /BROKEN target-lost: the fake cluster is gone/,
        ({ clock, target }) => void clock.after(1_000, () => target.die()),
      ],
      [{ verify: "external: { name: suite, format: tap, command: [/nonexistent] }" }, /BROKEN verify: suite: /],
    ];
    for (const [parts, message, prepare] of cases) {
      const { code, stdout, bench, state } = await onFake(t, parts, prepare);
      t.equal(code, EXIT.broken, stdout);
      t.match(stdout, message);
      t.same(bench.target.kube.objects(CONFIG_MAPS), []);
      t.notOk(existsSync(join(state, "journal.jsonl")) && !/target-lost/.test(stdout), "nothing is left to be undone");
    }
  },
);

t.test("an invalid task is refused with its line, and nothing is done", async (t) => {
  for (const [parts, message] of [
    [{ context: "none: " }, /task\.yaml:8: runs\[0\]\.context\.none: unknown context "none"; must be one of: /],
    [{ hooks: KILL.replace("2", "5") }, /task\.yaml:7: .*kill daemon on n1 never fires: the load is over after 5 s/],
    [{ sla: "recovery: { max: 1 }" }, /task\.yaml:6: .*recovery cannot be measured without a hook/],
  ] as const) {
    const { code, stderr, bench, state } = await onFake(t, parts);
    t.equal(code, EXIT.invalid);
    t.match(stderr, message);
    t.same([bench.target.done, existsSync(join(state, "results"))], [[], false]);
  }
  const none = await command("/nonexistent.yaml", `--state=${t.testdir()}`);
  t.match(none, { code: EXIT.invalid, stderr: /^cannot read \/nonexistent\.yaml: ENOENT/ });
});

t.test("an unsupported target has the exit code of an invalid task", async (t) => {
  const { code, stderr } = await onFake(t, { hooks: KILL }, ({ target }) => {
    target.cannot.set("signal:daemon", "it has no nodes to reach");
  });
  t.equal(code, EXIT.invalid);
  t.match(stderr, "one: kill daemon on n1 needs signal:daemon, which target fake cannot do: it has no nodes to reach");
});

t.test("variables are YAML values, and a task can be checked without a target", async (t) => {
  const lists = ['--set=parts=["nb"]', '--set=actions=["kill"]', "--set=repeat=4"];
  const { code, stdout } = await command("check", join(TASKS, "parts-databases.yaml"), ...lists, "--only=nb");
  t.equal(code, EXIT.passed);
  t.equal(
    stdout,
    [
      "Faults of OVN's databases: 4 runs on lab",
      "  traffic, kill nb: kill nb × 4",
      "  new pods, kill nb: kill nb × 4",
      "  traffic, stop nb: hang nb × 4",
      "  new pods, stop nb: hang nb × 4",
    ].join("\n"),
  );
});

t.test("a target that cannot be opened is reported before anything is done", async (t) => {
  const { code, stderr } = await command(join(TASKS, "smoke.yaml"), "--target=kubeconfig", `--state=${t.testdir()}`);
  t.equal(code, EXIT.invalid);
  t.match(stderr, /^target kubeconfig cannot be used: /m);
  const colon = `--target=kubeconfig:${join(t.testdir(), "a:b")}`;
  t.match(await command("check", join(TASKS, "smoke.yaml"), colon), { stderr: /a:b/ }, "a path may have a colon");
});

t.test("there may be nothing to clean, and no results", async (t) => {
  t.same(await command("clean", `--state=${t.testdir()}`), { code: 0, stdout: "", stderr: "" });
  t.match(await command("trends", `--state=${t.testdir()}`), { code: 0, stdout: "no results are stored" });
  t.match(await command("trends", "-o", "json", `--state=${t.testdir()}`), { code: 0, stdout: "[]" });
  t.match(await command("trends", "--last=none"), { code: 2, stderr: "must be a number from 1" });
});

t.test("everything that tasks may name is listed, including parts and words", async (t) => {
  const { stdout } = await command("plugins");
  t.match(stdout, /^ {2}nb +the northbound database; roles: leader, follower; also called ovn-nb$/m);
  t.match(stdout, /^ {2}kill\|restart\|freeze PART/m);
  t.match(stdout, /^ {2}first_success +seconds from the end/m);
});

t.test("an error of the runner itself, or of its arguments, is not a failed SLA", async (t) => {
  const state = join(t.testdir({ file: "" }), "file");
  const broken = await command(join(TASKS, "smoke.yaml"), `--state=${state}`);
  t.equal(broken.code, EXIT.broken);
  t.match(broken.stderr, /file/);
  t.match(await command("check", "a.yaml", "--set=a"), { code: EXIT.invalid, stderr: /^error: .*NAME=VALUE/ });
  const list = await command("check", "a.yaml", "--set=a=[1");
  t.match(list, { code: EXIT.invalid, stderr: /^error: .*a=\[1.* VALUE is not YAML: Flow sequence/ });
  t.match(await command("--help"), { code: EXIT.passed, stdout: /Examples:/ });
});
