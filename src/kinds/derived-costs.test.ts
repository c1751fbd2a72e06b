// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { addChassis, addNode, addVpc, SAMPLE_CLUSTER } from "../compile/testing/sample-facts.ts";
import { projectSubnet } from "../facts/project-subnet.ts";
import type { FactStore } from "../facts/store.ts";
import { DerivedFacts } from "./derived.ts";
import { factStore } from "./store.ts";

/** A cluster with a number of nodes, VPCs, and subnets of the default VPC and others, from which everything has been derived. */
function cluster(size: number): FactStore {
  const facts = factStore();
  facts.set("cluster", "cluster", SAMPLE_CLUSTER);
  addVpc(facts, "ovn-cluster", {});
  for (let i = 0; i < size; i++) {
    addVpc(facts, `vpc${i}`, {});
    addNode(facts, `n${i}`, `172.18.1.${i}`);
    addSpec(facts, `d${i}`, { cidrBlock: `10.30.${i}.0/24` });
    addSpec(facts, `v${i}`, { cidrBlock: `10.30.${i}.0/24`, vpc: `vpc${i}` });
  }
  const derived = new DerivedFacts(facts);
  derived.follow();
  derived.start();
  return facts;
}

function addSpec(facts: FactStore, name: string, spec: NonNullable<Parameters<typeof projectSubnet>[0]["spec"]>): void {
  facts.set("subnetSpecs", name, projectSubnet({ metadata: { name, uid: name, creationTimestamp: name }, spec }));
}

/** Kind → how many facts of it are read in the course of a change. */
function readsOf(facts: FactStore, change: (facts: FactStore) => void): Readonly<Record<string, number>> {
  const reads: Record<string, number> = {};
  const original = { get: facts.get, by: facts.by, all: facts.all };
  const counted = (name: "get" | "by" | "all") => {
    const read = original[name] as (...args: readonly unknown[]) => unknown;
    return (kind: string, ...rest: readonly unknown[]) => {
      const found = read.call(facts, kind, ...rest);
      reads[kind] = (reads[kind] ?? 0) + (Array.isArray(found) ? found.length : 1);
      return found;
    };
  };
  Object.assign(facts, { get: counted("get"), by: counted("by"), all: counted("all") });
  change(facts);
  Object.assign(facts, original);
  return reads;
}

const CHANGES: Readonly<Record<string, (facts: FactStore) => void>> = {
  "a new node": (facts) => addNode(facts, "late", "172.18.2.1"),
  "a node's chassis and zone": (facts) => addChassis(facts, "n1", "c1", "z1"),
  "a node that is gone": (facts) => void facts.set("nodes", "n2", undefined),
  "a new VPC": (facts) => addVpc(facts, "late", {}),
  "a VPC's static route": (facts) =>
    addVpc(facts, "vpc3", { staticRoutes: [{ cidr: "10.9.0.0/16", nextHopIP: "10.30.3.9" }] }),
  "a new subnet": (facts) => addSpec(facts, "late", { cidrBlock: "10.31.0.0/24" }),
  "a new subnet of another VPC": (facts) => addSpec(facts, "late-too", { cidrBlock: "10.31.0.0/24", vpc: "vpc4" }),
  "a subnet that overlaps another": (facts) => addSpec(facts, "overlaps", { cidrBlock: "10.30.5.0/25" }),
  "a subnet that is gone": (facts) => void facts.set("subnetSpecs", "d6", undefined),
};

t.test("the cost of a change for derived facts does not grow with the cluster", async (t) => {
  const [small, large] = [cluster(10), cluster(20)];
  for (const [what, change] of Object.entries(CHANGES)) t.same(readsOf(large, change), readsOf(small, change), what);
});
