// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { VpcSpec } from "../../api/generated/vpc.ts";
import { projectNode } from "../../facts/project-core.ts";
import type { FactStore } from "../../facts/store.ts";
import { DerivedFacts } from "../../kinds/derived.ts";
import { conditionsIn } from "../effects.ts";
import { addSubnet, addVpc, sampleFacts } from "../testing/sample-facts.ts";
import { vpcUnit } from "./vpc.ts";

const SESSION = "4ba0d4e4-2d1c-4b7c-9d6f-0b0f5d4d8f3a";

function cluster(nodes: readonly string[]) {
  const facts = sampleFacts();
  const derived = new DerivedFacts(facts);
  derived.follow();
  derived.start();
  for (const name of ["weft-1", "weft-2"]) facts.set("nodes", name, undefined);
  for (const name of nodes) node(facts, name, `chassis-${name}`);
  return facts;
}

function node(facts: FactStore, name: string, chassis: string, labels: Record<string, string> = {}): void {
  const annotations: Record<string, string> = chassis === "" ? {} : { "ovn.kubernetes.io/chassis": chassis };
  facts.set("nodes", name, projectNode({ metadata: { name, uid: `uid-${name}`, labels, annotations } }));
}

function compile(facts: FactStore, spec: Partial<VpcSpec>) {
  addVpc(facts, "team", spec);
  addSubnet(facts, "pods", { vpc: "team", cidrBlock: "10.0.1.0/24", excludeIps: ["10.0.1.8..10.0.1.9"] });
  return read(facts, "team");
}

function read(facts: FactStore, vpc: string) {
  const input = vpcUnit.read(facts, vpc);
  const { rows, effects } = input ? vpcUnit.compile(input) : { rows: [], effects: [] };
  const of = (name: string) => rows.flatMap(({ table, columns }) => (table === name ? [columns] : []));
  return {
    port: of("Logical_Router_Port").find(({ name }) => name === "bfd@team"),
    router: of("Logical_Router").find(({ name }) => name === "bfd@team"),
    switchPort: of("Logical_Switch_Port").find(({ name }) => name === "bfd@team/switch"),
    ways: of("Logical_Router_Static_Route").map(
      ({ ip_prefix: to, nexthop, output_port: by, route_table: table }) => `${table} ${to} to ${nexthop} by ${by}`,
    ),
    policies: of("Logical_Router_Policy").map(({ priority, match, action }) => `${priority} ${match} ${action}`),
    group: of("HA_Chassis_Group")[0],
    chassis: of("HA_Chassis").map(({ chassis_name: name, priority }) => [name, priority]),
    routes: of("Logical_Router_Static_Route"),
    condition: conditionsIn(effects)[0],
  };
}

const enabled = (more: object = {}) => ({ bfdPort: { enabled: true, ip: "10.255.255.255", ...more } });

t.test("the BFD port of a VPC may be on any three nodes, or on those that it selects", async (t) => {
  const facts = cluster(["n1", "n2", "n3", "n4", "n5"]);
  const any = compile(facts, enabled());
  t.match(any.port, { networks: ["10.255.255.255/32"] });
  t.match(any.group, { name: "bfd@team", external_ids: { lrp: "bfd@team" } });
  t.equal(any.chassis.length, 3);
  t.same(
    any.chassis.map(([, priority]) => priority),
    [100, 99, 98],
  );
  const { bfdPort } = any.condition?.status ?? {};
  t.match(bfdPort, { name: "bfd@team", ip: "10.255.255.255", nodes: { length: 3 } });
  t.match(any.condition, { ready: true, reason: "Ready" });

  node(facts, "n4", "chassis-n4", { gw: "yes" });
  const chosen = compile(facts, enabled({ nodeSelector: { matchLabels: { gw: "yes" } } }));
  t.same(chosen.chassis, [["chassis-n4", 100]]);
  node(facts, "n4", "", { gw: "yes" });
  const none = compile(facts, enabled({ nodeSelector: { matchLabels: { gw: "yes" } } }));
  t.same(none.chassis, []);
  t.match(none.condition, { reason: "NoReadyGateway", message: /no node that may host the port has a chassis in OVN/ });

  const off = compile(facts, { bfdPort: { enabled: false, ip: "10.255.255.255" } });
  t.same([off.port, off.group], [undefined, undefined]);
  t.match(off.condition, { reason: "Ready", status: { bfdPort: { name: "", ip: "", nodes: [] } } });
});

t.test(
  "the BFD port is on a router of its own at the switch of probes, and each routing table leads to it",
  async (t) => {
    const facts = cluster(["n1"]);
    addSubnet(facts, "apart", { vpc: "team", cidrBlock: "10.0.2.0/24", routeTable: "apart" });
    const { router, ways, switchPort, policies } = compile(facts, enabled({ ip: "10.255.255.255,fd00:ff::1" }));
    t.match(router, { name: "bfd@team" });
    t.match(switchPort, { type: "router", options: { "router-port": "bfd@team" } });
    t.same(ways, [
      " 0.0.0.0/0 to 169.254.169.9 by bfd@team",
      " 10.255.255.255/32 to 10.255.255.255 by weft/probe/team/router",
      "apart 10.255.255.255/32 to 10.255.255.255 by weft/probe/team/router",
      " ::/0 to fd69::9 by bfd@team",
      " fd00:ff::1/128 to fd00:ff::1 by weft/probe/team/router",
      "apart fd00:ff::1/128 to fd00:ff::1 by weft/probe/team/router",
    ]);
    for (const match of ["ip4.dst == 10.255.255.255", "ip6.dst == fd00:ff::1"])
      t.ok(policies.includes(`32767 ${match} allow`), match);
  },
);

t.test("the BFD port of the default VPC is at the join switch", async (t) => {
  const facts = cluster(["n1"]);
  const join = facts.get("subnets", "join");
  facts.set("subnets", "join", join && { ...join, gateway: { v4: "100.64.0.1" } });
  addVpc(facts, "ovn-cluster", enabled({ ip: "10.255.255.255,fd00:ff::1" }));
  const { ways, condition } = read(facts, "ovn-cluster");
  t.same(
    ways.filter((way) => way.includes("bfd@ovn-cluster") || way.includes("10.255")),
    [" 0.0.0.0/0 to 100.64.0.1 by bfd@ovn-cluster", " 10.255.255.255/32 to 10.255.255.255 by ovn-cluster-join"],
  );
  t.match(condition, { message: /nothing reaches fd00:ff::1: the join subnet has no range of its IP family/ });
});

t.test("a node that comes or is labelled changes nothing of a VPC that it is not to host", async (t) => {
  const facts = cluster(["n1", "n2", "n3"]);
  compile(facts, enabled({ nodeSelector: { matchLabels: { gw: "yes" } } }));
  const before = facts.get("bfdPorts", "team");
  node(facts, "n9", "chassis-n9");
  t.equal(facts.get("bfdPorts", "team"), before);
});

t.test("an invalid address or selector is refused, and the port does not exist", async (t) => {
  const facts = cluster(["n1"]);
  for (const [more, reason, message] of [
    [{ ip: "10.255.255.999" }, "InvalidBfdPort", /"10.255.255.999" is not a valid address.*the port does not exist/],
    [{ ip: "10.0.1.9" }, "InvalidBfdPort", /10.0.1.9 is in subnet pods \(10.0.1.0\/24\)/],
    [{ ip: "10.0.7.9" }, "InvalidBfdPort", /10.0.7.9 is in subnet others \(10.0.7.0\/24\)/],
    [{ ip: "169.254.0.1" }, "InvalidBfdPort", /169.254.0.1 is on the link to VPC other \(169.254.0.0\/30\)/],
    [{ ip: "169.254.169.9" }, "InvalidBfdPort", /169.254.169.9 is reserved for kubelet's probes/],
    [{ ip: "10.255.255.255,fd69::a" }, "InvalidBfdPort", /fd69::a is reserved for kubelet's probes/],
  ] as const) {
    addVpc(facts, "other", { vpcPeerings: [{ remoteVpc: "team", localConnectIP: "169.254.0.2/30" }] });
    addSubnet(facts, "others", { vpc: "other", cidrBlock: "10.0.7.0/24" });
    const vpcPeerings = [{ remoteVpc: "other", localConnectIP: "169.254.0.1/30" }];
    const { port, group, condition } = compile(facts, { vpcPeerings, ...enabled(more) });
    t.same([port, group], [undefined, undefined]);
    t.match(condition, { ready: true, refused: { reason, message } });
  }
  const { chassis, condition } = compile(facts, enabled({ nodeSelector: { matchLabels: { "a b": "" } } }));
  t.same(chassis, []);
  t.match(condition, { refused: { reason: "InvalidSelector", message: /no node hosts the port/ } });
});

t.test("a static route refers to the BFD session that it names, if that is with its next hop", async (t) => {
  const facts = cluster([]);
  const route = { cidr: "172.31.0.0/16", nextHopIP: "10.0.1.9", bfdId: SESSION };
  const missing = compile(facts, { staticRoutes: [route] });
  t.match(missing.routes, [{ bfd: undefined }]);
  t.match(missing.condition, {
    ready: true,
    reason: "BfdNotFound",
    message: `spec.staticRoutes[0].bfdId: the northbound database has no BFD session "${SESSION}"; the next hop is not monitored`,
  });
  const session = {
    key: "team-pods/10.0.1.9",
    uuid: SESSION,
    port: "team-pods",
    address: "10.0.1.9",
    status: "up",
    foreign: true,
  } as const;
  facts.set("bfdSessions", session.key, session);
  const found = compile(facts, { staticRoutes: [route] });
  t.match(found.routes, [{ bfd: SESSION }]);
  t.match(found.condition, { reason: "Ready" });
  const other = compile(facts, { staticRoutes: [{ ...route, nextHopIP: "10.0.1.8" }] });
  t.match(other.routes, [{ bfd: undefined }]);
  t.match(other.condition, { reason: "BfdNotFound", message: /is with 10.0.1.9, not with 10.0.1.8/ });
});

t.test(
  "routes with one destination share the traffic, and unsupported handling of their replies is reported",
  async (t) => {
    const facts = cluster([]);
    const to = (nextHopIP: string, ecmpMode: string) => ({ cidr: "172.31.0.0/16", nextHopIP, ecmpMode });
    const { routes, condition } = compile(facts, {
      staticRoutes: [to("10.0.1.8", "ecmp_symmetric_reply"), to("10.0.1.9", "ecmp_symmetric_reply")],
    });
    t.match(routes, [{ options: { ecmp_symmetric_reply: "true" } }, { options: { ecmp_symmetric_reply: "true" } }]);
    t.match(condition, { ready: true, reason: "NotSupported", message: /on routers that are on one chassis only/ });
    const odd = compile(facts, { staticRoutes: [to("10.0.1.8", "fast")] });
    t.match(odd.routes, [{ options: {} }]);
    t.match(odd.condition, { message: /"fast" has no effect; must be ecmp_symmetric_reply or empty/ });
  },
);
