// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { addNode, addSubnet, sampleFacts } from "../testing/sample-facts.ts";
import { NodeSubnets } from "./node-subnets.ts";

t.test("a node's address in a subnet is found in any order of the two, and until either is deleted", async (t) => {
  const facts = sampleFacts();
  addNode(facts, "before", "10.77.0.5");
  addSubnet(facts, "apps", { cidrBlock: "10.77.0.0/24" });
  addNode(facts, "after", "10.77.0.6");
  addNode(facts, "elsewhere", "10.78.0.6");
  t.same(facts.get("nodeSubnets", "before"), { key: "before", v4: "apps" });
  t.same(facts.get("nodeSubnets", "after"), { key: "after", v4: "apps" });
  t.equal(facts.get("nodeSubnets", "elsewhere"), undefined);
  facts.set("subnets", "apps", undefined);
  t.equal(facts.get("nodeSubnets", "before"), undefined);
  facts.set("nodes", "before", undefined);
  t.equal(facts.size("nodeSubnets"), 0);
});

t.test("subnets of other VPCs have ranges of their own", async (t) => {
  const facts = sampleFacts();
  addNode(facts, "n", "10.77.0.5");
  addSubnet(facts, "tenant", { cidrBlock: "10.77.0.0/24", vpc: "tenant" });
  t.equal(facts.get("nodeSubnets", "n"), undefined);
});

t.test("a new subnet changes only the facts of nodes whose address it contains", async (t) => {
  const facts = sampleFacts();
  const changed: string[] = [];
  facts.derive(({ kind, key }) => void (kind === "nodeSubnets" && changed.push(key)));
  addSubnet(facts, "apps", { cidrBlock: "10.77.0.0/24" });
  t.same(changed, []);
  const again = new NodeSubnets(facts);
  again.start();
  t.same(changed, []);
});
