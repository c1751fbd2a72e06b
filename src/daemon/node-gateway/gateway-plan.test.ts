// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { SubnetContract } from "../../contract/subnet.ts";
import { parseCidr } from "../../net/cidr.ts";
import { DEFAULT_NODE_PORTS } from "../../net/port-range.ts";
import { NO_SERVICES } from "../services/served-services.ts";
import { type GatewayFacts, planGateway } from "./gateway-plan.ts";
import { NodeReader, type OwnNode } from "./node-reader.ts";
import type { RoutedSubnet } from "./subnet-reader.ts";

const FACTS: GatewayFacts = {
  joinSubnet: "join",
  mtu: 1400,
  nodePorts: DEFAULT_NODE_PORTS,
  services: NO_SERVICES.current(),
  isLocal: () => true,
  linkTo: () => undefined,
};

const DUAL = {
  "ovn.kubernetes.io/ip_address": "100.64.0.2,fd00:100:64::2",
  "ovn.kubernetes.io/mac_address": "02:00:00:00:00:02",
  "ovn.kubernetes.io/cidr": "100.64.0.0/16,fd00:100:64::/112",
  "ovn.kubernetes.io/gateway": "100.64.0.1,fd00:100:64::1",
  "ovn.kubernetes.io/port_name": "node-weft-1",
};

function node(annotations: Record<string, string>): OwnNode {
  const reader = new NodeReader({ warn: () => undefined });
  return reader.read({ metadata: { name: "weft-1", uid: "n", resourceVersion: "1", annotations } });
}

function subnet(name: string, cidrs: string, more: Partial<SubnetContract> = {}): RoutedSubnet {
  const parsed = cidrs.split(",").map(parseCidr);
  const contract = { natOutgoing: false, gatewayType: "distributed", mtu: 0, ...more } as const;
  return { name, contract: { cidrs: parsed.filter((cidr) => cidr !== undefined), ...contract } };
}

const SUBNETS = [
  subnet("join", "100.64.0.0/16,fd00:100:64::/112"),
  subnet("ovn-default", "10.16.0.0/16,fd00:10:16::/112", { natOutgoing: true }),
  subnet("inside", "10.17.0.0/16", { gatewayType: "centralized" }),
  subnet("elsewhere", "", { natOutgoing: true, gatewayType: "centralized" }),
];

t.test("the node routes the ranges behind ovn0 by the join gateway", async (t) => {
  const plan = planGateway(node(DUAL), SUBNETS, FACTS);
  if (typeof plan === "string") throw new Error(plan);
  t.match(plan, { mac: "02:00:00:00:00:02", mtu: 1400 });
  t.same(
    plan.addresses.map(({ ip, cidr }) => `${ip.text}/${cidr.prefix}`),
    ["100.64.0.2/16", "fd00:100:64::2/112"],
  );
  t.same(
    plan.routes.map(({ destination, gateway }) => `${destination.text} via ${gateway.text}`),
    ["10.16.0.0/16 via 100.64.0.1", "fd00:10:16::/112 via fd00:100:64::1", "10.17.0.0/16 via 100.64.0.1"],
  );
  t.same(
    plan.rules.cluster.map(({ text }) => text),
    ["100.64.0.0/16", "fd00:100:64::/112", "10.16.0.0/16", "fd00:10:16::/112", "10.17.0.0/16"],
  );
  t.same(
    plan.rules.natOutgoing.map(({ text }) => text),
    ["10.16.0.0/16", "fd00:10:16::/112"],
  );
  t.same(
    plan.rules.centralized.map(({ text }) => text),
    ["10.17.0.0/16"],
  );
});

t.test("the node uses the source addresses that pods see, if it has them", async (t) => {
  const annotated = node({ ...DUAL, "weft.kubeovn.io/source": "172.18.0.11,fd00:172:18::11" });
  const plan = (isLocal: GatewayFacts["isLocal"]) => {
    const made = planGateway(annotated, SUBNETS, { ...FACTS, isLocal });
    if (typeof made === "string") throw new Error(made);
    return {
      routes: made.routes.slice(0, 2).map(({ destination, source }) => `${destination.text} src ${source?.text}`),
      rules: made.rules.sources.map(({ text }) => text),
      foreign: made.foreign.map(({ text }) => text),
    };
  };
  t.same(
    plan(() => true),
    {
      routes: ["10.16.0.0/16 src 172.18.0.11", "fd00:10:16::/112 src fd00:172:18::11"],
      rules: ["172.18.0.11", "fd00:172:18::11"],
      foreign: [],
    },
  );
  t.same(
    plan(({ family }) => family === 6),
    {
      routes: ["10.16.0.0/16 src undefined", "fd00:10:16::/112 src fd00:172:18::11"],
      rules: ["fd00:172:18::11"],
      foreign: ["172.18.0.11"],
    },
  );
});

t.test("settings that controller and nodes must share are the controller's, if it states them", async (t) => {
  const planned = (more: Record<string, string>, joinSubnet: string) => {
    const plan = planGateway(node({ ...DUAL, ...more }), SUBNETS.slice(1), { ...FACTS, joinSubnet });
    if (typeof plan === "string") throw new Error(plan);
    return { nodePorts: plan.rules.nodePorts, routes: plan.routes.map(({ destination }) => destination.text) };
  };
  const said = {
    "ovn.kubernetes.io/logical_switch": "inside",
    "weft.kubeovn.io/node-contract": '{"version":1,"nodePorts":"20000-21000"}',
  };
  const routes = ["10.16.0.0/16", "fd00:10:16::/112"];
  t.same(planned(said, "join"), { nodePorts: { first: 20_000, last: 21_000 }, routes });
  t.same(planned({}, "inside"), { nodePorts: DEFAULT_NODE_PORTS, routes }, "otherwise the daemon's own options count");
});

t.test("a family that the join subnet lacks has no routes", async (t) => {
  const plan = planGateway(
    node({ ...DUAL, "ovn.kubernetes.io/ip_address": "100.64.0.2", "ovn.kubernetes.io/gateway": "100.64.0.1" }),
    SUBNETS,
    FACTS,
  );
  if (typeof plan === "string") throw new Error(plan);
  t.notOk(plan.routes.some(({ destination }) => destination.family === 6));
});

t.test("the plan states what is missing", async (t) => {
  t.match(planGateway(undefined, SUBNETS, FACTS), /the Node object of this node does not exist/);
  t.match(planGateway(node({}), SUBNETS, FACTS), /has not allocated an address/);
  t.match(
    planGateway(node({ ...DUAL, "ovn.kubernetes.io/mac_address": "x" }), [], FACTS),
    /is not a valid MAC address/,
  );
  t.match(planGateway(node({ ...DUAL, "ovn.kubernetes.io/cidr": "fd00::/64" }), [], FACTS), /no subnet of the family/);
  t.match(planGateway(node(DUAL), [...SUBNETS, { name: "s", contract: "it is malformed" }], FACTS), /is malformed/);
});
