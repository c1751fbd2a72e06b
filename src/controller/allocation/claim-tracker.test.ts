// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { Claim, ClaimKind } from "../../claims/claim.ts";
import { ipamDependency } from "../../claims/retry-dependencies.ts";
import { Failures } from "../../desired/failures.ts";
import { type Dependency, dependency } from "../../facts/dependency.ts";
import { refuse } from "../../ipam/refusal.ts";
import { factStore } from "../../kinds/store.ts";
import { ClaimTracker } from "./claim-tracker.ts";

/** A tracker of one kind of claimants, subnets, each of which reads the fact of a VPC; those in `bad` throw. */
function tracked() {
  const failed: string[] = [];
  const facts = factStore(new Failures(undefined, ({ part, key }) => failed.push(`${part} ${key}`)));
  const bad = new Set<string>();
  const kind: ClaimKind<"subnets"> = {
    facts: "subnets",
    rank: 0,
    read: (reader, key) => {
      reader.get("vpcs", `vpc-of-${key}`);
      if (bad.has(key)) throw new Error("odd");
      return key.startsWith("gone") ? undefined : [claimOf(key)];
    },
  };
  const tracker = new ClaimTracker(facts, [kind], () => undefined);
  const touch = (changed: Dependency) => tracker.touch(changed);
  const mark = (key: string) => tracker.note({ kind: "subnets", key, touched: [] });
  /** Processes all due claimants; `served` are served, the others keep waiting. */
  const drain = (...served: string[]): string[] => {
    const looked: string[] = [];
    for (let id = tracker.take(); id !== undefined; id = tracker.take()) {
      tracker.read(id);
      const key = id.slice("subnets:".length);
      looked.push(key);
      if (served.includes(key)) tracker.leave(`subnets/${key}`);
    }
    return looked;
  };
  return { tracker, mark, touch, drain, failed, bad };
}

const claimOf = (key: string): Claim => ({
  claimant: { kind: "subnets", key, name: key, uid: key },
  owner: key,
  recordedIn: { kind: "ips", key },
  desired: refuse("VipNotReady", "not yet"),
});

t.test("a claimant is processed when something that it has read changes, once for several changes", async (t) => {
  const { mark, touch, drain } = tracked();
  mark("a");
  mark("b");
  t.strictSame(drain(), ["a", "b"]);
  touch(dependency.fact("vpcs", "vpc-of-b"));
  touch(dependency.fact("vpcs", "vpc-of-b"));
  t.strictSame(drain(), ["b"]);
  t.strictSame(drain(), []);
});

t.test("a deleted claimant depends on nothing", async (t) => {
  const { mark, touch, drain } = tracked();
  mark("gone");
  t.strictSame(drain(), ["gone"]);
  touch(dependency.fact("vpcs", "vpc-of-gone"));
  t.strictSame(drain(), []);
});

t.test("the claimants of a queue are processed in order, until one keeps waiting", async (t) => {
  const { tracker, touch, drain } = tracked();
  for (const key of ["a", "b", "c"])
    tracker.wait(`subnets/${key}`, `subnets:${key}`, [ipamDependency.room("s")], "line");
  tracker.wait("subnets/x", "subnets:x", [ipamDependency.room("s")]);
  touch(ipamDependency.room("other"));
  t.strictSame(drain(), []);
  touch(ipamDependency.room("s"));
  t.strictSame(drain("a"), ["a", "x", "b"], "b finds nothing left, so c need not ask");
  touch(ipamDependency.room("s"));
  t.strictSame(drain("b", "c"), ["b", "x", "c"]);
});

t.test("a claim that cannot be read does not block those behind it in its queue", async (t) => {
  const { tracker, mark, touch, drain, failed, bad } = tracked();
  for (const key of ["a", "b"]) {
    mark(key);
    drain();
    tracker.wait(`subnets/${key}`, `subnets:${key}`, [ipamDependency.room("s")], "line");
  }
  bad.add("a");
  touch(ipamDependency.room("s"));
  t.strictSame(drain(), ["a", "b"]);
  t.strictSame(failed, ["claim a"]);
  bad.clear();
  touch(dependency.fact("vpcs", "vpc-of-a"));
  t.strictSame(drain(), ["a"], "it is looked at when what it had read until then changes");
});

t.test(
  "a claimant that waits for the same thing again keeps its place in the queue, otherwise it loses it",
  async (t) => {
    const { tracker, touch, drain } = tracked();
    for (const key of ["a", "b", "a"])
      tracker.wait(`subnets/${key}`, `subnets:${key}`, [ipamDependency.room("s")], "line");
    touch(ipamDependency.room("s"));
    t.strictSame(drain(), ["a"]);
    tracker.wait("subnets/a", "subnets:a", [ipamDependency.lease("x")]);
    touch(ipamDependency.room("s"));
    t.strictSame(drain(), ["b"]);
    touch(ipamDependency.lease("x"));
    t.strictSame(drain(), ["a"]);
  },
);

t.test("a change between the reading of a claimant and the start of its tracking is not missed", async (t) => {
  const { tracker, touch, drain } = tracked();
  tracker.read("subnets:a");
  touch(dependency.fact("vpcs", "vpc-of-a"));
  tracker.follow();
  t.strictSame(drain(), ["a"]);
  touch(dependency.fact("vpcs", "vpc-of-a"));
  t.strictSame(drain(), ["a"]);
});

t.test("a claimant may be tracked by dependencies other than those that it has read", async (t) => {
  const { tracker, touch, drain } = tracked();
  tracker.read("subnets:a");
  tracker.follow([ipamDependency.recording("a")]);
  touch(dependency.fact("vpcs", "vpc-of-a"));
  t.strictSame(drain(), []);
  touch(ipamDependency.recording("a"));
  t.strictSame(drain(), ["a"]);
});
