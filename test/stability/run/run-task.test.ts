// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { CONFIG_MAPS, NAMESPACES } from "../../../src/kube/resources.ts";
import { formatTime } from "../../../src/time/rfc3339.ts";
import { TestBed } from "../testing/bench.ts";

/** A task of one run with one load; the arguments replace parts of it. */
function task(parts: { runner?: string; scenario?: string; sla?: string; hooks?: string; more?: string } = {}): string {
  const {
    runner = "rps: { rps: 20, seconds: 5 }",
    scenario = "work: { part: daemon }",
    sla = "",
    hooks = "",
    more = "",
  } = parts;
  return `title: test
runs:
  - name: one
${more}
    load:
      - scenario: { ${scenario} }
        runner: { ${runner} }
        sla: { ${sla} }
    hooks: [${hooks}]
`;
}
const KILL = "{ fault: kill daemon service on n1, at: { seconds: 2 } }";

t.test("a fault is injected in time, its part recovers, and the damage is measured", async (t) => {
  const bench = new TestBed(t);
  const result = await bench.run(task({ hooks: KILL, sla: "longest_gap: { max: 2.1 }, recovery: { max: 0.1 }" }));
  t.equal(result.outcome, "passed");
  const [repeat] = result.runs[0]?.repeats ?? [];
  t.match(repeat?.faults, [{ name: "kill daemon on n1", hit: "daemon on n1", begun: 2_000, ended: 4_000 }]);
  const [load] = repeat?.loads ?? [];
  t.match(load?.measures, { failures: 40, longest_gap: 2, recovery: 0, baseline_failures: 0 });
  t.equal(load?.iterations, 181, "it goes on for five seconds after the fault");
  t.match(load?.errors, [{ text: "daemon is away", count: 40 }]);
  t.match(load?.actions, { work: { count: 181, failed: 40, meanMs: 5 } });
  t.notOk(bench.unfinished, "nothing is left to be undone");
});

t.test("a result has the times in which a node's switch did not run", async (t) => {
  const bench = new TestBed(t);
  const line = (second: number): string =>
    `${formatTime(bench.clock.wall() + second * 1_000)}|00001|timeval|WARN|Unreasonably long 1500ms poll interval (2ms user, 1ms system)\n`;
  bench.target.switchLog = `${line(-1)}${line(3)}`;
  const result = await bench.run(task());
  const stall = { at: 3_000, ms: 1_500, computedMs: 3 };
  t.match(result.runs[0]?.repeats[0]?.stalls, [
    { node: "n1", ...stall },
    { node: "n2", ...stall },
  ]);
});

t.test("a run that exceeds its SLA has failed, and is not broken", async (t) => {
  const result = await new TestBed(t).run(
    task({ hooks: KILL, sla: "longest_gap: { max: 1 }, failures: { max: 100 }" }),
  );
  t.equal(result.outcome, "failed");
  t.match(result.runs[0]?.repeats[0]?.loads[0]?.slas, [
    { name: "longest_gap", outcome: "failed", text: "longest_gap 2 s, allowed 1 s" },
    { name: "failures", outcome: "passed", text: "failures 40, allowed 100" },
  ]);
});

t.test(
  "a part that hangs continues after its time, and the fault at an iteration fires when that begins",
  async (t) => {
    const bench = new TestBed(t);
    const hooks = "{ fault: freeze daemon service on n1 for 3 seconds, at: { iteration: 21 } }";
    const result = await bench.run(task({ hooks }));
    const [repeat] = result.runs[0]?.repeats ?? [];
    t.match(repeat?.faults, [{ begun: 1_000, ended: 4_000 }]);
    t.same(bench.target.done.slice(0, 2), ["SIGSTOP daemon/n1", "SIGCONT daemon/n1"]);
    t.equal(repeat?.outcome, "passed");
  },
);

t.test("a trigger that never fires breaks the run, and the error says what happened", async (t) => {
  const hooks = "{ fault: kill daemon service, at: { iteration: 500 } }";
  const result = await new TestBed(t).run(task({ hooks, runner: "constant_for_duration: { seconds: 1 }" }));
  t.equal(result.outcome, "broken");
  t.match(result.runs[0]?.repeats[0]?.problems, [
    { code: "trigger", text: /^kill daemon never fired \(at iteration 500\): work made \d+ iterations in 1 s$/ },
  ]);
});

t.test("an SLA with nothing to judge breaks the run", async (t) => {
  const hooks = "{ fault: kill daemon service, at: { seconds: 0 } }";
  const result = await new TestBed(t).run(task({ hooks, sla: "degradation: { max_ms: 5 }" }));
  t.equal(result.outcome, "broken");
  t.match(result.runs[0]?.repeats[0]?.problems, [
    { code: "unmeasurable", text: "degradation could not be measured: no iteration succeeded before the fault" },
  ]);
});

t.test("a part that does not come back while the load lasts is not within any limit", async (t) => {
  const limits = "recovery: { max: 60 }, longest_gap: { max: 60 }, downtime: { max: 60 }, failures: { max: 1000 }";
  const parts = { hooks: "{ fault: { nothing: }, at: { seconds: 2 } }", scenario: "work: { fails_from: 50 }" };
  const result = await new TestBed(t).run(task({ ...parts, sla: limits }));
  t.equal(result.outcome, "broken");
  t.match(
    result.runs[0]?.repeats[0]?.problems,
    ["recovery", "longest_gap", "downtime"].map((name) => ({
      code: "unmeasurable",
      text: new RegExp(
        `^${name} could not be measured: it is at least [0-9.]+ s, because the last iteration failed too`,
      ),
    })),
  );
  const failed = await new TestBed(t).run(task({ ...parts, sla: "recovery: { max: 1 }" }));
  t.equal(failed.outcome, "failed", "it is longer than allowed in any case");
});

t.test("a context that fails halfway is undone with those before it, and named", async (t) => {
  const bench = new TestBed(t);
  const more = "    context: { thing: { fails: true } }";
  const result = await bench.run(task({ more }));
  t.equal(result.outcome, "broken");
  t.match(result.runs[0]?.repeats[0]?.problems, [
    { code: "context", text: "context thing could not be set up: half-way" },
  ]);
  t.same(bench.target.kube.objects(CONFIG_MAPS), []);
  t.notOk(bench.unfinished);
});

t.test("a target that dies ends the run, and steps that could not be undone stay in the journal", async (t) => {
  const bench = new TestBed(t);
  bench.clock.after(3_000, () => bench.target.die());
  const hooks = "{ fault: freeze daemon service on n1, for: 60, at: { seconds: 1 } }";
  const result = await bench.run(`${task({ hooks })}    repeat: 3\n`);
  t.equal(result.outcome, "broken");
  t.equal(result.runs[0]?.repeats.length, 1, "no further repeat");
  t.match(result.runs[0]?.repeats[0]?.problems, [{ code: "target-lost", text: "the fake cluster is gone" }]);
});

t.test("an interrupted run ends its faults and cleans up", async (t) => {
  const bench = new TestBed(t);
  bench.clock.after(2_500, () => bench.interrupt.abort());
  const hooks = "{ fault: freeze daemon service on n1, for: 600, at: { seconds: 1 } }";
  const result = await bench.run(task({ hooks, more: "    context: { thing: }" }));
  t.equal(result.outcome, "interrupted");
  t.same(bench.target.done.slice(0, 2), ["SIGSTOP daemon/n1", "SIGCONT daemon/n1"]);
  t.same(bench.target.kube.objects(CONFIG_MAPS), []);
  t.ok(result.seconds < 4);
  t.notOk(bench.unfinished);
});

t.test("an interrupted run does not wait for a part that stays down", async (t) => {
  const bench = new TestBed(t);
  bench.target.backAfterMs = 300_000;
  bench.clock.after(2_500, () => bench.interrupt.abort());
  const result = await bench.run(task({ hooks: KILL }));
  t.equal(result.outcome, "interrupted");
  t.ok(result.seconds < 4, `${result.seconds}`);
  t.notOk(bench.unfinished);
});

t.test("a namespace that already exists is not the run's, and is not changed", async (t) => {
  const bench = new TestBed(t);
  await bench.target.fake.create(NAMESPACES, { metadata: { name: "shop" } });
  const result = await bench.run(task({ more: "    context: { namespace: { name: shop } }" }));
  t.equal(result.outcome, "broken");
  t.match(result.runs[0]?.repeats[0]?.problems, [{ code: "context", text: /^namespace shop exists already/ }]);
  t.ok(bench.target.fake.object(NAMESPACES, { name: "shop" }));
});

t.test("what a target does not support is reported before anything is done", async (t) => {
  const bench = new TestBed(t);
  bench.target.cannot.set("signal:daemon", "it has no nodes to reach");
  await t.rejects(bench.run(task({ hooks: KILL })), {
    code: "unsupported",
    message: "one: kill daemon on n1 needs signal:daemon, which target fake cannot do: it has no nodes to reach",
  });
  t.same(bench.target.done, []);
});

t.test("objects that are left after the run fail it", async (t) => {
  const bench = new TestBed(t);
  bench.target.things = { "IP objects": ["a"] };
  bench.clock.after(3_500, () => {
    bench.target.things = { "IP objects": ["a", "b"] };
  });
  const result = await bench.run(task({ more: "    verify: { no_leaks: { seconds: 2 } }" }));
  t.equal(result.outcome, "failed");
  t.match(result.runs[0]?.repeats[0]?.verdicts, [
    { name: "no_leaks", outcome: "failed", text: "IP objects: b was left behind (after 2 s)" },
  ]);
});

t.test("a namespace that is being deleted when the run begins is not missing afterwards", async (t) => {
  const bench = new TestBed(t);
  const { fake } = bench.target;
  const leaving = { name: "of-another-test" };
  await fake.create(NAMESPACES, { metadata: { ...leaving, finalizers: ["kubernetes"] } });
  await fake.delete(NAMESPACES, leaving);
  bench.target.things = { namespaces: ["default", leaving.name] };
  bench.clock.after(1_000, () => {
    bench.target.things = { namespaces: ["default"] };
    void fake.patch(NAMESPACES, leaving, { type: "merge", body: { metadata: { finalizers: null } } });
  });
  const result = await bench.run(task({ more: "    verify: { no_leaks: { seconds: 2 } }" }));
  t.match(result.runs[0]?.repeats[0], { outcome: "passed", problems: [], verdicts: [{ outcome: "passed" }] });
});

t.test("what is still being removed after an earlier run is not missing afterwards", async (t) => {
  const bench = new TestBed(t);
  bench.target.things = { "IP objects": ["a", "of-an-earlier-run"] };
  bench.clock.after(1_000, () => {
    bench.target.things = { "IP objects": ["a"] };
  });
  const result = await bench.run(task({ more: "    verify: { no_leaks: { seconds: 2 } }" }));
  t.match(result.runs[0]?.repeats[0], { outcome: "passed", problems: [], verdicts: [{ outcome: "passed" }] });
});

t.test("the same seed makes the same choices, another one makes others", async (t) => {
  const chosen = async (seed: number): Promise<string> => {
    const bench = new TestBed(t);
    const hooks = "{ fault: kill daemon service on one node, at: { seconds: 1 } }";
    await bench.run(
      `seed: ${seed}\nrepeat: 8\n${task({ hooks, runner: "rps: { rps: 1, seconds: 2 }", more: "    settle: 0" })}`,
    );
    return bench.target.done.filter((what) => what.startsWith("SIGKILL")).join();
  };
  const first = await chosen(1);
  t.equal(await chosen(1), first);
  t.not(await chosen(2), first);
  t.match(first, "n1");
  t.match(first, "n2");
});

t.test("loads run in parallel, each with its own measures", async (t) => {
  const source = `title: two
runs:
  - name: one
    load:
      - { name: a, scenario: { work: { part: daemon } }, runner: { rps: { rps: 10, seconds: 5 } } }
      - { name: b, scenario: { work: { ms: 10 } }, runner: { constant_for_duration: { seconds: 5, concurrency: 2 } } }
    hooks: [${KILL}]
`;
  const result = await new TestBed(t).run(source);
  const [a, b] = result.runs[0]?.repeats[0]?.loads ?? [];
  t.same([a?.name, b?.name], ["a", "b"]);
  t.ok((a?.failed ?? 0) > 0);
  t.equal(b?.failed, 0);
});
