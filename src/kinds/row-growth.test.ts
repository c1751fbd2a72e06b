// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { addIp, addNode, addPod, addSubnet, sampleFacts } from "../compile/testing/sample-facts.ts";
import { compileAll } from "./compile-all.ts";
import { DerivedFacts } from "./derived.ts";

/** The size of each table: rows, members of sets, and characters. All names and addresses have the same length. */
function amounts(nodes: number, subnets: number): Readonly<Record<string, number>> {
  const facts = sampleFacts();
  const derived = new DerivedFacts(facts);
  derived.follow();
  derived.start();
  for (let i = 100; i < 100 + nodes; i++) {
    const name = `n${i}`;
    addNode(facts, name, `172.18.1.${i}`, `fd00:172:18::1:${i}`);
    const [v4, v6] = [`100.64.1.${i}`, `fd00:100:64::1${i}`];
    addIp(facts, `node-${name}`, { podName: name, nodeName: name, subnet: "join", v4, v6 });
    addPod(facts, `p${i}`, { node: name });
    const of = { podName: `p${i}`, namespace: "default", nodeName: name, subnet: "ovn-default" };
    addIp(facts, `p${i}.default`, { ...of, v4: `10.16.1.${i}`, v6: `fd00:10:16::1${i}` });
  }
  for (let i = 100; i < 100 + subnets; i++) {
    for (const [name, net, spec] of [
      ["d", 1, { natOutgoing: true }],
      ["r", 2, {}],
      ["c", 3, { natOutgoing: true, gatewayType: "centralized", gatewayNode: "weft-1,weft-2" }],
      ["e", 4, { gatewayType: "centralized", gatewayNode: "weft-1,weft-2", enableEcmp: true }],
    ] as const)
      addSubnet(facts, `${name}${i}`, { ...spec, cidrBlock: `10.2${net}.${i}.0/24,fd00:10:2${net}:${i}::/112` });
  }
  const found: Record<string, number> = {};
  const add = (key: string, by: number): void => {
    found[key] = (found[key] ?? 0) + by;
  };
  for (const { rows, edges } of compileAll(facts).values()) {
    for (const { table, columns } of rows) {
      add(`rows of ${table}`, 1);
      add(`characters of ${table}`, JSON.stringify(columns).length);
    }
    for (const { table, column } of edges) add(`members of ${table}.${column}`, 1);
  }
  return found;
}

t.test("rows grow with nodes and with subnets, never with their product", async (t) => {
  const [few, nodes, subnets, both] = [amounts(2, 2), amounts(4, 2), amounts(2, 4), amounts(4, 4)] as const;
  t.comment(`of nodes × 4 subnets, 2×2: ${JSON.stringify(few)}; 4×4: ${JSON.stringify(both)}`);
  for (const [key, amount] of Object.entries(both)) {
    const byNodes = (nodes[key] ?? 0) - (few[key] ?? 0);
    const bySubnets = (subnets[key] ?? 0) - (few[key] ?? 0);
    t.equal(amount, (few[key] ?? 0) + byNodes + bySubnets, key);
  }
});
