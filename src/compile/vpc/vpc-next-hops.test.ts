// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { VpcSpec } from "../../api/generated/vpc.ts";
import { conditionsIn } from "../effects.ts";
import { addIp, addSubnet, addVpc, sampleFacts } from "../testing/sample-facts.ts";
import { vpcUnit } from "./vpc.ts";

function compile(spec: Partial<VpcSpec>, cidrBlock = "10.0.1.0/24,fd00:1::/64") {
  const facts = sampleFacts();
  addVpc(facts, "team", spec);
  addSubnet(facts, "pods", { vpc: "team", cidrBlock, excludeIps: ["10.0.1.8..10.0.1.9", "fd00:1::9"] });
  const input = vpcUnit.read(facts, "team");
  const { rows, effects } = input ? vpcUnit.compile(input) : { rows: [], effects: [] };
  const of = (name: string) =>
    // Those of the spec, not the system's.
    rows.flatMap(({ table, label, columns }) => (table === name && label.startsWith("team/") ? [columns] : []));
  return {
    // Without the router's own, for kubelet's probes.
    policies: of("Logical_Router_Policy").filter(({ priority }) => Number(priority) < 32_000),
    routes: of("Logical_Router_Static_Route"),
    condition: conditionsIn(effects)[0],
  };
}

const reroute = (nextHopIP: string) => ({
  policyRoutes: [{ priority: 9, match: "ip4", action: "reroute" as const, nextHopIP }],
});

t.test("packets that a policy would reroute to an unreachable next hop are dropped, not passed", async (t) => {
  for (const [hop, message] of [
    [
      "10.9.0.1",
      /^spec.policyRoutes.0..nextHopIP: 10.9.0.1 is in no subnet and no peering of the VPC; packets that match are dropped/,
    ],
    ["10.9.0.1,10.9.0.2", /10.9.0.1 is in no subnet.*, 10.9.0.2 is in no subnet/],
    ["10.0.1.1", /10.0.1.1 is an address of the VPC's own router/],
  ] as const) {
    const { policies, condition } = compile(reroute(hop));
    t.match(policies, [{ priority: 9, match: "ip4", action: "drop", nexthops: [] }], hop);
    t.match(condition, { ready: true, reason: "NextHopUnreachable", message });
  }
});

t.test("of several next hops the reachable ones are used", async (t) => {
  const { policies, condition } = compile(reroute("10.9.0.1,10.0.1.9,10.0.1.8"));
  t.match(policies, [{ action: "reroute", nexthops: ["10.0.1.8", "10.0.1.9"] }]);
  t.match(condition, { reason: "NextHopUnreachable", message: /10.9.0.1 is in no subnet.*; the others are used/ });
  t.match(compile(reroute("10.0.1.9")).condition, { reason: "Ready", message: "" });
});

t.test("a static route to an unreachable next hop is reported as not active", async (t) => {
  const { condition, routes } = compile({
    staticRoutes: [
      { cidr: "172.31.0.0/16", nextHopIP: "10.9.0.1" },
      { cidr: "fd09::/16", nextHopIP: "fd00:1::9" },
    ],
  });
  t.match(condition, {
    ready: true,
    reason: "NextHopUnreachable",
    message:
      "spec.staticRoutes[0].nextHopIP: 10.9.0.1 is in no subnet and no peering of the VPC; the route is not active",
  });
  t.equal(routes.length, 2, "northd accepts it as soon as there is a path");
});

t.test("an unused next hop is reported until an object has it", async (t) => {
  const facts = sampleFacts();
  const route = { cidr: "172.31.0.0/16", nextHopIP: "10.0.1.77" };
  addVpc(facts, "team", { staticRoutes: [route] });
  addSubnet(facts, "pods", { vpc: "team", cidrBlock: "10.0.1.0/24" });
  const condition = () => {
    const input = vpcUnit.read(facts, "team");
    return conditionsIn(input ? vpcUnit.compile(input).effects : [])[0];
  };
  const message = /^next hop 10.0.1.77 is in a subnet or on a link of the VPC, but no pod, Vip or router has it/;
  t.match(condition(), { ready: true, reason: "NextHopNotFound", message });
  const of = { podName: "fw", namespace: "default", nodeName: "weft-1", v4: "10.0.1.77", v6: "" };
  addVpc(facts, "twin", {});
  addSubnet(facts, "twins", { vpc: "twin", cidrBlock: "10.0.1.0/24" });
  addIp(facts, "twin.default", { ...of, subnet: "twins" });
  t.match(condition(), { reason: "NextHopNotFound" }, "a pod of another VPC does not count");
  addIp(facts, "fw.default", { ...of, subnet: "pods" });
  t.match(condition(), { reason: "Ready", message: "" });
});

t.test("a subnet that is not accepted provides no path", async (t) => {
  const { policies } = compile(reroute("10.96.0.9"), "10.96.0.0/24");
  t.match(policies, [{ action: "drop" }]);
});

t.test("the default VPC has its default route in each routing table that a route or a subnet names", async (t) => {
  const facts = sampleFacts();
  addVpc(facts, "ovn-cluster", { staticRoutes: [{ cidr: "172.31.0.0/16", nextHopIP: "10.16.0.9", routeTable: "a" }] });
  addSubnet(facts, "tabled", { cidrBlock: "10.77.0.0/24", routeTable: "b" });
  const input = vpcUnit.read(facts, "ovn-cluster");
  const rows = (input ? vpcUnit.compile(input).rows : []).filter(
    ({ table }) => table === "Logical_Router_Static_Route",
  );
  const ways = rows.filter(({ columns }) => columns["ip_prefix"] === "0.0.0.0/0");
  t.same(ways.map(({ columns }) => String(columns["route_table"])).sort(), ["", "a", "b"]);
});
