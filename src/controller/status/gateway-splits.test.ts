// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { NODE } from "../../api/annotations.ts";
import { projectNode } from "../../facts/project-core.ts";
import type { GatewaySplitFact } from "../../facts/subnet.ts";
import { factStore } from "../../kinds/store.ts";
import { ManualClock } from "../../time/testing/manual-clock.ts";
import { GatewaySplits } from "./gateway-splits.ts";

type Shown = "joined" | "split" | "lost";

/** Two nodes, both gateways. */
function world() {
  const facts = factStore();
  const clock = new ManualClock();
  const splits = new GatewaySplits(facts, clock);
  facts.subscribe((change) => splits.noteFact(change));
  const report = (author: string, about?: string): void => {
    const annotations = {
      [NODE.chassis]: `c-${author}`,
      ...(about !== undefined && { [NODE.unreachable]: `c-${about}` }),
    };
    facts.set("nodes", author, projectNode({ metadata: { name: author, uid: author, annotations } }));
  };
  const group = (...members: readonly string[]): void => {
    for (const key of ["a", "b"]) {
      const ordered = [`c-${key}`, ...members.filter((member) => member !== `c-${key}`)];
      facts.set("gatewayGroups", key, members.length === 0 ? undefined : { key, members: ordered });
    }
  };
  const shown = (): Readonly<Record<"a" | "b", Shown>> => {
    const of = (fact: GatewaySplitFact | undefined): Shown =>
      fact === undefined ? "joined" : fact.lost ? "lost" : "split";
    return { a: of(facts.get("gatewaySplits", "a")), b: of(facts.get("gatewaySplits", "b")) };
  };
  report("a");
  report("b");
  return { facts, clock, splits, report, group, shown };
}

t.test("one report splits the nodes at once, and the node without a report is lost a moment later", async (t) => {
  const { clock, report, group, shown, facts } = world();
  group("c-a", "c-b");
  t.same(shown(), { a: "joined", b: "joined" });
  report("b", "a");
  t.same(shown(), { a: "split", b: "split" });
  t.equal(facts.get("gatewaySplits", "a")?.peer, "b");
  clock.pass(699);
  t.same(shown(), { a: "split", b: "split" });
  clock.pass(1);
  t.same(shown(), { a: "lost", b: "split" });
  clock.pass(600_000);
  t.same(shown(), { a: "lost", b: "split" }, "for as long as it is reported");
  report("b");
  clock.pass(4_999);
  t.same(shown(), { a: "lost", b: "split" });
  clock.pass(1);
  t.same(shown(), { a: "joined", b: "joined" });
});

t.test("nodes that report each other both stay", async (t) => {
  const { clock, report, group, shown } = world();
  group("c-a", "c-b");
  report("a", "b");
  clock.pass(600);
  report("b", "a");
  clock.pass(600_000);
  t.same(shown(), { a: "split", b: "split" });
  report("a");
  clock.pass(100);
  report("b");
  clock.pass(4_999);
  t.same(shown(), { a: "split", b: "split" }, "they are connected again on both sides");
  clock.pass(1);
  t.same(shown(), { a: "joined", b: "joined" });
});

t.test("a node that withdraws its report before the other one does is not lost", async (t) => {
  const { clock, report, group, shown } = world();
  group("c-a", "c-b");
  report("a", "b");
  report("b", "a");
  clock.pass(30_000);
  report("a");
  clock.pass(4_999);
  t.same(shown(), { a: "split", b: "split" });
  report("b");
  clock.pass(5_000);
  t.same(shown(), { a: "joined", b: "joined" });
  report("b", "a");
  clock.pass(700);
  t.same(shown(), { a: "lost", b: "split" }, "the next time it counts only what is reported then");
});

t.test("a node that dies after it has withdrawn its report is lost", async (t) => {
  const { clock, report, group, shown } = world();
  group("c-a", "c-b");
  report("a", "b");
  report("b", "a");
  clock.pass(30_000);
  report("a");
  clock.pass(5_000);
  t.same(shown(), { a: "lost", b: "split" });
});

t.test("a report has no effect on a node that reports itself, also if the author has died since", async (t) => {
  const { clock, report, group, shown } = world();
  group("c-a", "c-b");
  report("b", "a");
  clock.pass(1_000);
  t.same(shown(), { a: "lost", b: "split" });
  report("a", "b");
  t.same(shown(), { a: "split", b: "split" }, "the node that was lost speaks");
  clock.pass(600_000);
  t.same(shown(), { a: "split", b: "split" }, "what the author last said stands, and is harmless");
});

t.test("a session that flaps splits the nodes once", async (t) => {
  const { clock, report, group, facts } = world();
  group("c-a", "c-b");
  let changes = 0;
  facts.subscribe(({ kind }) => {
    if (kind === "gatewaySplits") changes++;
  });
  for (let i = 0; i < 100; i++) {
    report("b", "a");
    report("a", "b");
    clock.pass(2_000);
    report("b");
    report("a");
    clock.pass(3_000);
  }
  t.equal(changes, 2, "one for each node");
});

t.test("reports are used only in clusters of two nodes", async (t) => {
  const { clock, report, group, shown, splits } = world();
  report("b", "a");
  t.same(shown(), { a: "joined", b: "joined" }, "no subnet has both as gateways");
  group("c-a", "c-b");
  t.same(shown(), { a: "lost", b: "split" }, "a new process accepts what it finds");
  report("b", "c");
  t.same(shown(), { a: "lost", b: "split" });
  group("c-a", "c-b", "c-c");
  t.same(shown(), { a: "joined", b: "joined" }, "with a third node OVN decides");
  group();
  group("c-a", "c-b");
  t.same(shown(), { a: "joined", b: "joined" }, "a report about another chassis is none");
  report("b", "a");
  splits.stop();
  t.equal(clock.pending, 0);
});

t.test("in any order of reports, the nodes are split while one of them reports and joined after", async () => {
  const step = fc.record({
    author: fc.constantFrom("a", "b"),
    down: fc.boolean(),
    ms: fc.integer({ min: 0, max: 8_000 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const { clock, report, group, shown } = world();
      group("c-a", "c-b");
      const said = { a: false, b: false };
      for (const { author, down, ms } of steps) {
        said[author as "a" | "b"] = down;
        report(author, down ? (author === "a" ? "b" : "a") : undefined);
        const { a, b } = shown();
        if ((said.a || said.b) && (a === "joined" || b === "joined")) return false;
        if (a === "lost" && b === "lost") return false;
        clock.pass(ms);
      }
      clock.pass(5_000);
      const { a, b } = shown();
      if (!said.a && !said.b) return a === "joined" && b === "joined" && clock.pending === 0;
      return a === (said.a ? "split" : "lost") && b === (said.b ? "split" : "lost") && clock.pending === 0;
    }),
  );
});
