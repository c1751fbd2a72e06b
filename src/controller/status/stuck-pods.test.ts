// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { addPod, sampleFacts } from "../../compile/testing/sample-facts.ts";
import type { PodFact } from "../../facts/pod.ts";
import { ManualClock } from "../../time/testing/manual-clock.ts";
import { addressState } from "../allocation/address-state.ts";
import { rig } from "../testing/allocator-rig.ts";
import { StuckPods } from "./stuck-pods.ts";

function watched() {
  const facts = sampleFacts();
  addPod(facts, "a", { node: "weft-1", annotations: { "ovn.kubernetes.io/allocated": "true" } });
  const clock = new ManualClock();
  const reported: string[] = [];
  const retried: string[] = [];
  const told = new Set<string>();
  const unserved = new StuckPods({
    facts,
    clock,
    isReported: ({ key }) => told.has(key),
    report: (pods, count) => reported.push(`${clock.now()}: ${count} ${pods.map(({ key }) => key)}`),
    retry: ({ key }) => retried.push(key),
  });
  facts.subscribe((change) => unserved.noteFact(change));
  unserved.start();
  const serve = (name: string): void =>
    addPod(facts, name, { node: "weft-1", annotations: { "ovn.kubernetes.io/allocated": "true" } });
  return { facts, unserved, clock, reported, retried, told, serve };
}

t.test(
  "a pod that has neither a network nor an Event is reported and retried after 5 s, then with growing pauses",
  async (t) => {
    const { facts, unserved, reported, retried, serve, clock } = watched();
    t.equal(clock.pending, 0, "while all are served there is no timer");
    addPod(facts, "unbound");
    addPod(facts, "ended", { node: "weft-1", phase: "Succeeded" });
    t.equal(clock.pending, 0);
    addPod(facts, "b", { node: "weft-1" });
    clock.pass(3_000);
    addPod(facts, "c", { node: "weft-1" });
    addPod(facts, "d", { node: "weft-1" });
    t.equal(clock.pending, 1, "one timer, for the first");
    serve("d");
    clock.pass(20_000);
    t.same(reported, ["5000: 1 default/b", "8000: 1 default/c", "15000: 1 default/b", "18000: 1 default/c"]);
    t.same(retried, ["default/b", "default/c", "default/b", "default/c"]);
    serve("b");
    facts.set("pods", "default/c", undefined);
    clock.pass(600_000);
    t.equal(reported.length, 4);
    t.equal(unserved.count, 4);
    t.equal(clock.pending, 0);
  },
);

t.test(
  "a pod with a reported refusal waits for a change, and is watched again when an address was decided",
  async (t) => {
    const { facts, unserved, clock, reported, told } = watched();
    told.add("default/b");
    addPod(facts, "b", { node: "weft-1" });
    clock.pass(100_000);
    t.same(reported, []);
    told.clear();
    unserved.decided(facts.get("pods", "default/b") as PodFact);
    clock.pass(5_000);
    t.same(reported, ["105000: 1 default/b"]);
  },
);

t.test("many are reported together, a hundred at a time; none after the end", async (t) => {
  const { facts, unserved, reported, retried, clock } = watched();
  for (let i = 0; i < 300; i++) addPod(facts, `p${i}`, { node: "weft-1" });
  clock.pass(5_000);
  t.same(reported, ["5000: 100 default/p0,default/p1,default/p2,default/p3,default/p4"]);
  t.equal(retried.length, 100);
  clock.pass(2_000);
  t.equal(new Set(retried).size, 300);
  unserved.stop();
  t.equal(clock.pending, 0);
  addPod(facts, "late", { node: "weft-1" });
  clock.pass(600_000);
  t.equal(reported.length, 3);
});

t.test("a lost trigger is compensated", async (t) => {
  const { facts, allocator, records } = rig();
  allocator.start();
  const clock = new ManualClock();
  const states: string[] = [];
  const unserved = new StuckPods({
    facts,
    clock,
    isReported: (pod, provider) => allocator.isReported(pod, provider),
    report: (pods) => states.push(...pods.map((pod) => `${pod.key} ${addressState(facts, allocator, pod)}`)),
    retry: (pod) => allocator.retry(pod),
  });
  facts.subscribe((change) => unserved.noteFact(change));
  unserved.start();
  const noteFact = allocator.noteFact.bind(allocator);
  allocator.noteFact = () => {};
  addPod(facts, "b", { node: "weft-1" });
  allocator.noteFact = noteFact;
  clock.pass(4_999);
  t.equal(records.has("b.default"), false);
  clock.pass(1);
  t.equal(records.get("b.default")?.lease.v4, "10.16.0.3");
  t.same(states, ["default/a recorded", "default/b not decided"]);
});

t.test("a great many that become due one after the other are checked and reported at most once a second", async (t) => {
  const { facts, unserved, clock, reported, retried } = watched();
  let looked = 0;
  const get = facts.get.bind(facts);
  facts.get = ((kind: "pods", key: string) => {
    if (kind === "pods") looked++;
    return get(kind, key);
  }) as typeof facts.get;
  for (let i = 0; i < 500; i++) {
    addPod(facts, `p${i}`, { node: "weft-1" });
    clock.pass(4);
  }
  looked = 0;
  clock.pass(9_000);
  t.equal(unserved.count, 500, "each of them once");
  t.equal(new Set(retried).size, 500, "and retried");
  t.ok(reported.length <= 7, `${reported.length} reports`);
  t.ok(looked < 10 * 500, `${looked} look-ups`);
});
