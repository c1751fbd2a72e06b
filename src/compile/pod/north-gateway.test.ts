// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { addIp, addPod, addSubnet, addVpc, sampleFacts } from "../testing/sample-facts.ts";
import { podUnit } from "./pod.ts";

const NORTH = "ovn.kubernetes.io/north_gateway";

/** The pod's own policies, and the Events, with its annotations. */
function compiled(annotations: Record<string, string>, subnet = "ovn-default", v4 = "10.16.0.9", v6 = "fd00:10:16::9") {
  const facts = sampleFacts();
  addSubnet(facts, "edge", { cidrBlock: "10.60.0.0/24" });
  addVpc(facts, "team", {});
  addSubnet(facts, "inner", { vpc: "team", cidrBlock: "10.16.0.0/24" });
  addPod(facts, "b", { node: "weft-1", annotations });
  addIp(facts, "b.default", { podName: "b", namespace: "default", nodeName: "weft-1", subnet, v4, v6 });
  const input = podUnit.read(facts, "default/b");
  if (input === undefined) throw new Error("no unit");
  const { rows, edges, effects } = podUnit.compile(input);
  const policies = rows.filter(({ table }) => table === "Logical_Router_Policy");
  const held = policies.every(({ uuid }) =>
    edges.some(({ member, column }) => member === uuid && column === "policies"),
  );
  const events = effects.flatMap((effect) => (effect.kind === "report" ? [`${effect.reason}: ${effect.message}`] : []));
  return { policies: policies.map(({ columns }) => columns), held, events };
}

t.test("the pod's traffic to the outside goes to its north gateway, while its port is on a node", async (t) => {
  const { policies, held, events } = compiled({ [NORTH]: "10.60.0.7, fd00:10:16::7" });
  t.match(policies, [
    {
      priority: 29_250,
      match: 'ip4.src == 10.16.0.9 && is_chassis_resident("b.default")',
      action: "reroute",
      nexthops: ["10.60.0.7"],
      external_ids: { subnet: "ovn-default", vendor: "kube-ovn" },
    },
    { match: 'ip6.src == fd00:10:16::9 && is_chassis_resident("b.default")', nexthops: ["fd00:10:16::7"] },
  ]);
  t.ok(held);
  t.same(events, []);
  t.same(compiled({}).policies, []);
});

t.test("a next hop that OVN could not use is reported in an Event, and the other family's works", async (t) => {
  for (const [value, why, count, ...where] of [
    ["192.168.0.1,fd00:10:16::7", /192.168.0.1 is in no subnet of VPC "ovn-cluster"/, 1],
    ["10.60.0.1", /10.60.0.1 is the router's own address, the gateway of subnet edge/, 0],
    ["10.16.0.9", /10.16.0.9 is the pod's own address/, 0],
    ["fd00:10:16::7", /no address of the family of fd00:10:16::7/, 0, "ovn-default", "10.16.0.9", ""],
    ["10.60.0.7", /only pods in VPC "ovn-cluster" can have one/, 0, "inner", "10.16.0.9", ""],
  ] as const) {
    const { policies, events } = compiled({ [NORTH]: value }, ...where);
    t.equal(policies.length, count, value);
    t.match(events, [why], value);
    t.match(events[0], /^InvalidNorthGateway: annotation ovn.kubernetes.io\/north_gateway is ignored: /);
  }
  t.match(compiled({ [NORTH]: "gw" }), { policies: [], events: [/InvalidAnnotation: .*north_gateway is "gw"/] });
});

t.test("routes that the pod cannot have are reported in an Event", async (t) => {
  const told = (routes: string) => compiled({ "ovn.kubernetes.io/routes": routes }).events;
  t.same(told('[{"dst":"192.0.2.0/24","gw":"10.16.0.7"}]'), []);
  t.match(told('[{"dst":"192.0.2.0/24","gw":"10.60.0.7"}]'), [
    /^InvalidRoute: annotation ovn.kubernetes.io\/routes: route .* is ignored: gw 10.60.0.7 is not in the subnet/,
  ]);
  t.match(told("[{"), [/^InvalidAnnotation: .*routes is "\[\{", which is invalid; it is ignored/]);
});
