// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { VpcSpec } from "../../api/generated/vpc.ts";
import { conditionsIn } from "../effects.ts";
import { addSubnet, addVpc, sampleFacts } from "../testing/sample-facts.ts";
import { vpcUnit } from "./vpc.ts";

/** A VPC `hub` with those routes, and its peers `b` and `c`, which have the ranges. */
function hub(staticRoutes: VpcSpec["staticRoutes"], ranges: { b: string; c: string }) {
  const facts = sampleFacts();
  const link = (remoteVpc: string, localConnectIP: string) => ({ remoteVpc, localConnectIP });
  const vpcPeerings = [link("b", "169.254.0.1/30,fd69:254::1/126"), link("c", "169.254.1.1/30,fd69:254:1::1/126")];
  addVpc(facts, "hub", { vpcPeerings, ...(staticRoutes && { staticRoutes }) });
  addVpc(facts, "b", { vpcPeerings: [link("hub", "169.254.0.2/30,fd69:254::2/126")] });
  addVpc(facts, "c", { vpcPeerings: [link("hub", "169.254.1.2/30,fd69:254:1::2/126")] });
  addSubnet(facts, "pods", { vpc: "hub", cidrBlock: "10.1.0.0/24" });
  for (const vpc of ["b", "c"] as const) addSubnet(facts, `${vpc}-pods`, { vpc, cidrBlock: ranges[vpc] });
  const input = vpcUnit.read(facts, "hub");
  const { rows, effects } = input === undefined ? { rows: [], effects: [] } : vpcUnit.compile(input);
  const drops = rows.flatMap(({ table, columns: { match, action } }) =>
    table === "Logical_Router_Policy" && action === "drop" && /hub-/.test(String(match)) ? [String(match)] : [],
  );
  return { drops, reasons: conditionsIn(effects)[0]?.notes?.map(({ reason }) => reason) ?? [] };
}

const OWN = ['inport == "hub-b" && ip4.src == {10.1.0.0/24}', 'inport == "hub-c" && ip4.src == {10.1.0.0/24}'];

t.test("an address that two peers have comes from the one to which the routes lead", async (t) => {
  const to = (cidr: string, nextHopIP: string) => ({ cidr, nextHopIP });
  const same = { b: "10.2.0.0/24", c: "10.2.0.0/24" };
  const dropAtC = [OWN[0], 'inport == "hub-c" && ip4.src == {10.1.0.0/24, 10.2.0.0/24}'];
  for (const [what, routes, drops, isClear] of [
    ["a route to one", [to("10.2.0.0/24", "169.254.0.2")], dropAtC, true],
    ["a wider route to one", [to("10.0.0.0/8", "169.254.0.2")], dropAtC, true],
    ["the longer one decides", [to("10.2.0.0/16", "169.254.0.2"), to("10.0.0.0/8", "169.254.1.2")], dropAtC, true],
    ["none", [], OWN, false],
    ["to both", [to("10.2.0.0/24", "169.254.0.2"), to("10.2.0.0/24", "169.254.1.2")], OWN, false],
    ["a part to the other", [to("10.2.0.0/24", "169.254.0.2"), to("10.2.0.9/32", "169.254.1.2")], OWN, false],
    ["by source", [{ ...to("10.2.0.0/24", "169.254.0.2"), policy: "policySrc" }], OWN, false],
    ["to a pod of its own", [to("10.2.0.0/24", "10.1.0.9")], OWN, false],
  ] as const) {
    const found = hub([...routes], same);
    t.same(found.drops, drops, what);
    t.equal(!found.reasons.includes("PeersOverlap"), isClear, what);
  }
});

t.test("only what both have is dropped, of each family", async (t) => {
  const routes = [
    { cidr: "10.0.0.0/8", nextHopIP: "169.254.0.2" },
    { cidr: "fd00:2::/32", nextHopIP: "fd69:254:1::2" },
  ];
  const found = hub(routes, { b: "10.2.0.0/24,fd00:2::/64", c: "10.2.0.128/25,fd00:2::/112" });
  t.same(found.drops, [
    OWN[0],
    'inport == "hub-b" && ip6.src == {fd00:2::/112}',
    'inport == "hub-c" && ip4.src == {10.1.0.0/24, 10.2.0.128/25}',
  ]);
  t.same(hub(routes, { b: "10.2.0.0/24", c: "10.3.0.0/24" }).drops, OWN, "nothing of peers that share no range");
});

t.test("a hub of many peers with one range in common has one note for it", async (t) => {
  const facts = sampleFacts();
  const names = Array.from({ length: 40 }, (_, i) => `spoke-${i + 10}`);
  const link = (i: number, host: number): string => `169.254.${i}.${host}/30`;
  addVpc(facts, "hub", { vpcPeerings: names.map((remoteVpc, i) => ({ remoteVpc, localConnectIP: link(i, 1) })) });
  for (const [i, name] of names.entries()) {
    addVpc(facts, name, { vpcPeerings: [{ remoteVpc: "hub", localConnectIP: link(i, 2) }] });
    addSubnet(facts, `${name}-pods`, { vpc: name, cidrBlock: "10.2.0.0/24" });
  }
  const input = vpcUnit.read(facts, "hub");
  const [condition] = input === undefined ? [] : conditionsIn(vpcUnit.compile(input).effects);
  const notes = condition?.notes?.filter(({ reason }) => reason === "PeersOverlap") ?? [];
  t.match(notes, [{ message: /"spoke-10", "spoke-11", "spoke-12" and 37 more have 10\.2\.0\.0\/24 in common, and/ }]);
  t.equal(notes.length, 1);
});
