// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { equalsGolden } from "../collections/testing/golden.ts";
import { type ConditionEffect, conditionsIn, type ObjectBody, type WeftEffect } from "../compile/effects.ts";
import { NameCollisions } from "../compile/name-collisions.ts";
import { eipVpcs } from "../compile/nat/eip-exclusion.ts";
import { nodeEipChassis } from "../compile/nat/node-eip-chassis.ts";
import { routerEndpoints } from "../compile/nat/router-endpoints.ts";
import { nodeUnit } from "../compile/node/node.ts";
import { insideBalancerGroupId, loadBalancerGroupId } from "../compile/owner-ids.ts";
import { podUnit } from "../compile/pod/pod.ts";
import { subnetUnit } from "../compile/subnet/subnet.ts";
import {
  addChassis,
  addEndpoints,
  addIp,
  addNode,
  addPod,
  addService,
  addSubnet,
  addVpc,
  followed,
  sampleFacts,
  settleSubnets,
} from "../compile/testing/sample-facts.ts";
import { externalGateways } from "../compile/vpc/external-gateways.ts";
import { vpcUnit } from "../compile/vpc/vpc.ts";
import { rowUuid } from "../desired/identity.ts";
import type { AnyUnitKind } from "../desired/unit-kind.ts";
import { deriverOf } from "../facts/derivation.ts";
import { projectNode } from "../facts/project-core.ts";
import { projectEndpointSlice, projectService } from "../facts/project-service.ts";
import { recordedDeriver } from "../facts/recorded-derivation.ts";
import { projectRouterLbRule } from "../facts/router-lb-rule.ts";
import type { FactReader, FactStore } from "../facts/store.ts";
import { formatFragment } from "../reconcile/plan-text.ts";
import { addressHolders } from "./address-holders.ts";
import type { AnyKind } from "./kind.ts";
import { ovnDnatRuleKind, projectOvnDnatRule } from "./ovn-dnat-rule.ts";
import { ovnEipKind, projectOvnEip } from "./ovn-eip.ts";
import { ovnFipKind, projectOvnFip } from "./ovn-fip.ts";
import { ovnSnatRuleKind, projectOvnSnatRule } from "./ovn-snat-rule.ts";
import { routerLbRuleKind } from "./router-lb-rule.ts";
import { serviceKind } from "./service.ts";
import { projectVlan, vlanKind } from "./vlan.ts";
import { vpcKind } from "./vpc.ts";

const FINALIZERS = ["kubeovn.io/kube-ovn-controller"];
const PROJECT = {
  ovnEips: projectOvnEip,
  ovnFips: projectOvnFip,
  ovnSnatRules: projectOvnSnatRule,
  ovnDnatRules: projectOvnDnatRule,
  vlans: projectVlan,
  routerLbRules: projectRouterLbRule,
} as const;

let age = 0;

/** Adds an object; a later one is younger. */
function add(
  facts: FactStore,
  kind: keyof typeof PROJECT,
  name: string,
  spec: object,
  { status = {}, ...metadata }: { readonly status?: object; readonly [field: string]: unknown } = {},
): void {
  const created = `${new Date(Date.UTC(2026, 0, 1) + ++age * 1000).toISOString().slice(0, 19)}Z`;
  const object = {
    metadata: {
      name,
      uid: `uid-${name}`,
      generation: 1,
      creationTimestamp: created,
      finalizers: FINALIZERS,
      ...metadata,
    },
    spec,
    status,
  };
  facts.set(kind, name, PROJECT[kind](object as never) as never);
}

/** An OvnEip that has its address. */
function addEip(facts: FactStore, name: string, last: number, spec: object = {}): void {
  const status = { v4Ip: `172.30.0.${last}`, v6Ip: `fd00:30::${last}`, macAddress: `02:00:00:00:00:${last}` };
  add(facts, "ovnEips", name, spec, { status });
}

/** A VPC `team` with a pod's address, connected to the external subnet by two gateway nodes. */
function world(): FactStore {
  const facts = sampleFacts();
  for (const deriver of [
    deriverOf(facts, externalGateways),
    deriverOf(facts, nodeEipChassis),
    deriverOf(facts, addressHolders),
    recordedDeriver(facts, eipVpcs),
    recordedDeriver(facts, routerEndpoints),
  ])
    followed(facts, deriver);
  for (const name of ["gw-1", "gw-2"]) {
    const annotations = { "ovn.kubernetes.io/chassis": `chassis-${name}` };
    const labels = { "ovn.kubernetes.io/external-gw": "true" };
    facts.set("nodes", name, projectNode({ metadata: { name, uid: name, labels, annotations } }));
  }
  addNode(facts, "other", "172.18.0.13");
  add(facts, "vlans", "v100", { id: 100, provider: "external" });
  addSubnet(facts, "external", { cidrBlock: "172.30.0.0/24,fd00:30::/112", vlan: "v100" });
  addVpc(facts, "team", {
    enableExternal: true,
    staticRoutes: [{ cidr: "0.0.0.0/0", nextHopIP: "172.30.0.1" }],
  });
  addSubnet(facts, "inner", { vpc: "team", cidrBlock: "10.0.1.0/24,fd00:10:1::/112" });
  addIp(facts, "web.default", {
    ...{ podName: "web", namespace: "default", nodeName: "weft-1" },
    ...{ subnet: "inner", v4: "10.0.1.5", v6: "fd00:10:1::5" },
  });
  addEip(facts, "team-external", 10, { type: "lrp" });
  addEip(facts, "e1", 11);
  addEip(facts, "e2", 12);
  return facts;
}

/** Routers, and groups of load balancers, by the uuids of their rows. */
const ROUTERS = new Map(
  ["team", "ovn-cluster"].flatMap((vpc) => [
    [rowUuid("Logical_Router", vpc), `Logical_Router ${vpc}`],
    [rowUuid("Load_Balancer_Group", loadBalancerGroupId(vpc)), `Load_Balancer_Group ${vpc}`],
  ]),
);

/** Compares a unit's fragment with `units.golden/<name>.txt`; WEFT_GOLDEN=write regenerates the file. */
function golden(
  t: Test,
  name: string,
  kind: AnyUnitKind<FactReader, WeftEffect> | undefined,
  facts: FactStore,
  key: string,
): void {
  const input: unknown = kind?.read(facts, key);
  const text =
    input === undefined || !kind ? "(no unit)\n" : formatFragment(kind.compile(input), (uuid) => ROUTERS.get(uuid));
  equalsGolden(t, new URL(`./units.golden/${name}.txt`, import.meta.url), text);
}

function compile(facts: FactStore, kind: AnyKind, key: string) {
  const input: unknown = kind.unit?.read(facts, key);
  const fragment = input === undefined ? undefined : kind.unit?.compile(input);
  return { rows: fragment?.rows ?? [], effects: fragment?.effects ?? [] };
}

/** The condition of an object, and the tables of its rows. */
function outcome(
  facts: FactStore,
  kind: AnyKind,
  key: string,
): ConditionEffect & { readonly tables: readonly string[] } {
  const { rows, effects } = compile(facts, kind, key);
  const [condition] = conditionsIn(effects);
  if (condition === undefined) throw new Error(`${key} has no condition`);
  return { ...condition, tables: rows.map(({ table }) => table) };
}

t.test(
  "an external subnet is a switch with a port towards the network outside, and none towards a router",
  async (t) => {
    golden(t, "subnet-external", subnetUnit, world(), "external");
  },
);

t.test(
  "a VPC's router has a port in its external subnet on the gateway nodes, each VPC in its own order",
  async (t) => {
    const facts = world();
    golden(t, "vpc-external", vpcUnit, facts, "team");
    const first = (vpc: string): unknown => {
      addVpc(facts, vpc, { enableExternal: true });
      addEip(facts, `${vpc}-external`, 20, { type: "lrp" });
      const input = vpcUnit.read(facts, vpc);
      const rows = input === undefined ? [] : vpcUnit.compile(input).rows;
      return rows.find(({ columns }) => columns["priority"] === 100)?.columns["chassis_name"];
    };
    t.equal(new Set(["a", "b", "c", "d", "e", "f", "g", "h"].map(first)).size, 2, "they are spread over the nodes");
  },
);

t.test(
  "a VPC without an OvnEip for its port makes one, and deletes it when the port is not wanted any more",
  async (t) => {
    const facts = world();
    facts.set("ovnEips", "team-external", undefined);
    const effects = () => {
      const input = vpcUnit.read(facts, "team");
      return input === undefined ? [] : vpcUnit.compile(input).effects;
    };
    t.match(effects()[0], {
      kind: "make-object",
      resource: "ovnEips",
      body: { metadata: { name: "team-external" }, spec: { externalSubnet: "external", type: "lrp" } },
    });
    const owner = { apiVersion: "kubeovn.io/v1", kind: "Vpc", name: "team", uid: "uid-team", controller: true };
    add(facts, "ovnEips", "team-external", { type: "lrp" }, { ownerReferences: [owner] });
    t.notMatch(effects()[0], { kind: "make-object" });
    addVpc(facts, "team", {});
    t.match(effects()[0], { kind: "drop-object", resource: "ovnEips", name: "team-external" });

    // Deleted, it would wait for the rule, and the port could not come back meanwhile.
    add(facts, "ovnSnatRules", "out", { ovnEip: "team-external", vpcSubnet: "inner" });
    t.notMatch(effects()[0], { kind: "drop-object" }, "it is kept while a rule uses it");
    facts.set("ovnSnatRules", "out", undefined);
    t.match(effects()[0], { kind: "drop-object", resource: "ovnEips", name: "team-external" });
  },
);

t.test(
  "the reason why a VPC is not connected to an external subnet is in its condition, and the rest of the VPC works",
  async (t) => {
    const reasonOf = (change: (facts: FactStore) => void): string | undefined => {
      const facts = world();
      change(facts);
      const input = vpcUnit.read(facts, "team");
      const { rows, effects } = input === undefined ? { rows: [], effects: [] } : vpcUnit.compile(input);
      t.notOk(rows.some(({ columns }) => columns["name"] === "team-external"));
      t.ok(rows.some(({ table }) => table === "Logical_Router"));
      const [condition] = conditionsIn(effects);
      t.equal(condition?.ready, true);
      t.match(condition?.status, { enableExternal: false });
      return condition?.notes?.[0]?.reason;
    };
    t.equal(
      reasonOf((facts) => addVpc(facts, "team", { extraExternalSubnets: ["external"] })),
      "ExternalNotEnabled",
    );
    const extra = (name: string) => (facts: FactStore) =>
      addVpc(facts, "team", { enableExternal: true, extraExternalSubnets: [name] });
    t.equal(reasonOf(extra("absent")), "SubnetNotFound");
    t.equal(reasonOf(extra("ovn-default")), "NotExternal");
    t.equal(
      reasonOf((facts) => {
        addSubnet(facts, "bare", { vlan: "v100" });
        addVpc(facts, "team", { enableExternal: true, extraExternalSubnets: ["bare"] });
        const mac = { macAddress: "02:00:00:00:00:10" };
        add(facts, "ovnEips", "team-bare", { type: "lrp", externalSubnet: "bare" }, { status: mac });
      }),
      "NotExternal",
      "a subnet without addresses",
    );
    t.equal(
      reasonOf((facts) => facts.set("vlans", "v100", undefined)),
      "SubnetNotReady",
      "a subnet whose Vlan is gone",
    );
    t.equal(
      reasonOf((facts) => {
        for (const name of ["gw-1", "gw-2"]) facts.set("nodes", name, undefined);
      }),
      "NoExternalGateway",
    );
    t.equal(
      reasonOf((facts) => addSubnet(facts, "overlap", { vpc: "team", cidrBlock: "172.30.0.0/25" })),
      "ExternalSubnetConflict",
    );
    t.equal(
      reasonOf((facts) => addEip(facts, "team-external", 10, { type: "nat" })),
      "AddressNameTaken",
    );
    t.equal(
      reasonOf((facts) => add(facts, "ovnEips", "team-external", { type: "lrp" })),
      "AddressPending",
    );
    const long = "v".repeat(253 - "-external".length);
    const spec = { enableExternal: true, extraExternalSubnets: ["external"] };
    const made = [long, `${long}v`].map((name) => {
      const facts = world();
      addVpc(facts, name, spec);
      const { effects } = compile(facts, vpcKind, name);
      const [condition] = conditionsIn(effects);
      const creates = effects.some(({ kind }) => kind === "make-object");
      return { creates, reason: condition?.notes?.[0]?.reason };
    });
    t.match(made, [
      { creates: true, reason: undefined },
      { creates: false, reason: "NameTooLong" },
    ]);
  },
);

t.test("a floating IP is a NAT row of each family, on the gateway or on the pod's node", async (t) => {
  const facts = world();
  add(facts, "ovnFips", "f", { ovnEip: "e1", ipName: "web.default" });
  golden(t, "ovn-fip", ovnFipKind.unit, facts, "f");
  add(facts, "ovnFips", "f", { ovnEip: "e1", ipName: "web.default", type: "distributed" });
  golden(t, "ovn-fip-distributed", ovnFipKind.unit, facts, "f");
  add(facts, "ovnFips", "f", { ovnEip: "e1", vpc: "team", v4Ip: "10.0.1.5", type: "distributed" });
  t.match(compile(facts, ovnFipKind, "f").rows, [{ columns: { logical_port: "web.default" } }], "also by the address");
});

t.test(
  "in the default VPC traffic of a floating IP leaves through the external subnet, not through its node",
  async (t) => {
    const facts = world();
    addVpc(facts, "ovn-cluster", { enableExternal: true });
    addEip(facts, "ovn-cluster-external", 13, { type: "lrp" });
    add(facts, "ovnFips", "f", { ovnEip: "e1", ipName: "a.default" });
    golden(t, "ovn-fip-default-vpc", ovnFipKind.unit, facts, "f");
  },
);

t.test(
  "a rule for sources is a NAT row of each family, and one for a port a load balancer of the router",
  async (t) => {
    const facts = world();
    add(facts, "ovnSnatRules", "s", { ovnEip: "e1", vpcSubnet: "inner" });
    golden(t, "ovn-snat-rule", ovnSnatRuleKind.unit, facts, "s");
    const port = { externalPort: "53", internalPort: "5353", protocol: "UDP" };
    add(facts, "ovnDnatRules", "d", { ovnEip: "e1", ipName: "web.default", ...port });
    golden(t, "ovn-dnat-rule", ovnDnatRuleKind.unit, facts, "d");
    add(facts, "ovnSnatRules", "one", { ovnEip: "e2", vpc: "team", v4IpCidr: "10.0.1.9" });
    t.match(outcome(facts, ovnSnatRuleKind, "one"), { ready: true, message: "10.0.1.9 leaves as 172.30.0.12" });
  },
);

/** Adds a Service of type LoadBalancer with addresses of the external subnet, and its endpoints. */
function addBalanced(facts: FactStore, name: string, v4: string, v6: string): void {
  const annotations = {
    "ovn.kubernetes.io/service_external_ip_from_subnet": "external",
    "weft.kubeovn.io/load-balancer": "external/172.30.0.150,fd00:30::150",
  };
  const ports = [
    { name: "http", protocol: "TCP", port: 80 },
    { name: "metrics", protocol: "TCP", port: 81 },
    { name: "dns", protocol: "UDP", port: 53 },
  ];
  const spec = { ...{ type: "LoadBalancer", clusterIPs: ["10.96.0.20", "fd00:10:96::20"], ports } };
  const ingress = [{ ip: "172.30.0.150" }, { ip: "fd00:30::150" }];
  addService(facts, name, { ...spec, sessionAffinity: "ClientIP" }, { annotations }, { loadBalancer: { ingress } });
  const own = (http: number) => [
    { ...ports[0], port: http },
    { ...ports[2], port: 5353 },
  ];
  const not = { conditions: { ready: false } };
  addEndpoints(facts, name, `${name}-1`, {
    ports: own(8080),
    endpoints: [{ addresses: [v4] }, { addresses: [`${v4}9`], ...not }],
  });
  addEndpoints(facts, name, `${name}-2`, { ports: own(8081), endpoints: [{ addresses: [`${v4}1`] }] });
  addEndpoints(facts, name, `${name}-3`, { ports: own(8080), endpoints: [{ addresses: [v6] }] });
}

t.test("an external subnet does not refuse clients outside at addresses of Services of other VPCs", async (t) => {
  const facts = world();
  const spec = { cidrBlock: "172.30.0.0/24,fd00:30::/112", vlan: "v100" };
  const [all, inside] = [loadBalancerGroupId, insideBalancerGroupId].map((id) =>
    rowUuid("Load_Balancer_Group", id("ovn-cluster")),
  );
  const groups = () => {
    const input = subnetUnit.read(facts, "external");
    const edges = input === undefined ? [] : subnetUnit.compile(input).edges;
    return edges.flatMap(({ column, member }) => (column === "load_balancer_group" ? [member] : []));
  };
  t.same(groups(), [all], "its pods reach Services");
  addSubnet(facts, "external", { ...spec, u2oInterconnection: true });
  t.same(groups(), [all], "also if the router of its own VPC has a port in it");
  addSubnet(facts, "external", { ...spec, logicalGateway: true });
  t.same(groups(), [all, inside], "its pods leave by nodes, where kube-proxy would deliver to pods of its VPC");
  addSubnet(facts, "external", spec);
  addVpc(facts, "team", {});
  t.same(groups(), [all, inside], "it is the external subnet of no VPC");
});

t.test(
  "the gateway node translates a distributed floating IP while the router balances connections to its address",
  async (t) => {
    const facts = world();
    add(facts, "ovnFips", "f", { ovnEip: "e1", ipName: "web.default", type: "distributed" });
    const place = () => {
      const [row] = compile(facts, ovnFipKind, "f").rows;
      t.match(row, { columns: { external_mac: "5e:02:55:a3:5f:8e", options: { stateless: "true" } } });
      return { port: row?.columns["logical_port"], message: outcome(facts, ovnFipKind, "f").message };
    };
    const own = { port: "web.default", message: /^172.30.0.11 is 10.0.1.5, fd00:30::11 is fd00:10:1::5$/ };
    const gateway = (by: string) => ({
      port: "cr-team-external",
      message: new RegExp(`; the gateway node translates, because ${by} forwards connections to the same address$`),
    });
    t.match(place(), own);
    const port = { externalPort: "53", internalPort: "5353", protocol: "UDP" };
    add(facts, "ovnDnatRules", "d", { ovnEip: "e2", ipName: "web.default", ...port });
    t.match(place(), gateway('OvnDnatRule "d"'));
    add(facts, "ovnDnatRules", "d", { ovnEip: "e2", vpc: "team", v4Ip: "10.0.1.5", ...port });
    t.match(place(), gateway('OvnDnatRule "d"'), "also by the address");
    add(facts, "ovnDnatRules", "d", { ovnEip: "e2", vpc: "team", v4Ip: "10.0.1.6", ...port });
    t.match(place(), own, "a rule of another address");
    addBalanced(facts, "team", "10.0.1.5", "fd00:10:1::5");
    t.match(place(), gateway("Service default/team"));
    facts.set("services", "default/team", undefined);
    t.match(place(), own);
    const spec = { vpc: "team", ovnEip: "e2", endpoints: ["10.0.1.5"], ports: [{ port: 80, targetPort: 8080 }] };
    const rule = { metadata: { name: "r", uid: "uid-r", generation: 1 }, spec };
    facts.set("routerLbRules", "r", projectRouterLbRule(rule as never));
    const owner = { apiVersion: "kubeovn.io/v1", kind: "RouterLBRule", name: "r", uid: "uid-r", controller: true };
    addService(facts, "rlr-r", { clusterIPs: ["None"] }, { ownerReferences: [owner] });
    addEndpoints(facts, "rlr-r", "rlr-r-1", { endpoints: [{ addresses: ["10.0.1.5"] }] });
    t.match(place(), gateway('RouterLBRule "r"'));
    add(facts, "ovnFips", "f", { ovnEip: "e1", ipName: "web.default" });
    t.match(compile(facts, ovnFipKind, "f").rows, [{ columns: { logical_port: undefined } }], "a centralized one");
  },
);

t.test("a Service with external addresses is load balancers of its VPC's router", async (t) => {
  const facts = world();
  addVpc(facts, "ovn-cluster", { enableExternal: true });
  addEip(facts, "ovn-cluster-external", 13, { type: "lrp" });
  addBalanced(facts, "shop", "10.16.0.2", "fd00:10:16::2");
  golden(t, "service-external", serviceKind.unit, facts, "default/shop");
  // The next one has the same addresses.
  facts.set("services", "default/shop", undefined);
  addBalanced(facts, "team", "10.0.1.5", "fd00:10:1::5");
  golden(t, "service-external-vpc", serviceKind.unit, facts, "default/team");
});

t.test(
  "a rule that cannot be applied has no rows and a condition with the reason; other rules are not affected",
  async (t) => {
    const facts = world();
    add(facts, "ovnFips", "good", { ovnEip: "e1", ipName: "web.default" });
    const fip = (spec: object, change: (facts: FactStore) => void = () => undefined): string => {
      change(facts);
      add(facts, "ovnFips", "bad", { ovnEip: "e2", ipName: "a.default", ...spec }, { finalizers: [] });
      const { ready, tables, reason, status } = outcome(facts, ovnFipKind, "bad");
      t.equal(ready, false);
      t.same(tables, []);
      t.match(status, { ready: false });
      t.equal(outcome(facts, ovnFipKind, "good").ready, true);
      return reason;
    };
    t.equal(fip({ ovnEip: "absent" }), "EipNotFound");
    t.equal(
      fip({ ovnEip: "node" }, () => addEip(facts, "node", 14, { type: "lsp" })),
      "EipNotForNat",
    );
    t.equal(
      fip({ ovnEip: "new" }, () => add(facts, "ovnEips", "new", {})),
      "EipNotReady",
    );
    const given = { status: { v4Ip: "172.30.0.15", macAddress: "02:00:00:00:00:15" } };
    t.equal(
      fip({ ovnEip: "going" }, () => add(facts, "ovnEips", "going", {}, { ...given, deletionTimestamp: "now" })),
      "EipDeleting",
    );
    t.equal(fip({ ovnEip: "e1" }), "EipInUse");
    t.equal(fip({ ipName: "web.default" }), "TargetInUse");
    t.equal(fip({ ipName: "absent.default" }), "IpNotFound");
    t.equal(fip({ ipName: "absent", ipType: "vip" }), "VipNotFound");
    t.equal(fip({ ipName: "", vpc: "absent", v4Ip: "10.0.1.7" }), "VpcNotFound");
    t.equal(fip({}), "VpcNotConnected", "the default VPC is not");
    add(facts, "ovnEips", "v4", {}, { status: { v4Ip: "172.30.0.16", macAddress: "02:00:00:00:00:16" } });
    t.equal(fip({ ovnEip: "v4", ipName: "", vpc: "team", v6Ip: "fd00:10:1::9" }), "FamilyMismatch");
  },
);

t.test("a floating IP to an address that no object has is applied, and its condition says so", async (t) => {
  const facts = world();
  add(facts, "ovnFips", "f", { ovnEip: "e1", vpc: "team", v4Ip: "10.0.1.77" });
  t.match(outcome(facts, ovnFipKind, "f"), { ready: true, reason: "AddressNotFound", tables: ["NAT"] });
});

t.test("of two rules for one port or one source the older one is applied", async (t) => {
  const facts = world();
  const port = { ovnEip: "e1", ipName: "web.default", externalPort: "80", internalPort: "80", protocol: "tcp" };
  for (const name of ["first", "second"]) {
    add(facts, "ovnDnatRules", name, port);
    add(facts, "ovnSnatRules", name, { ovnEip: "e1", vpcSubnet: "inner" });
  }
  t.match(outcome(facts, ovnDnatRuleKind, "second"), { ready: false, reason: "PortInUse", tables: [] });
  t.match(outcome(facts, ovnSnatRuleKind, "second"), { ready: false, reason: "SourceInUse", tables: [] });
  t.equal(outcome(facts, ovnDnatRuleKind, "first").ready, true);
  add(facts, "ovnDnatRules", "udp", { ...port, protocol: "udp" });
  t.equal(outcome(facts, ovnDnatRuleKind, "udp").ready, true, "another protocol is another port");
  facts.set("ovnDnatRules", "first", undefined);
  t.equal(outcome(facts, ovnDnatRuleKind, "second").ready, true, "and the next one, when the older one is gone");
});

t.test("an OvnEip shows its users, as in Kube-OVN, and is not released before they are deleted", async (t) => {
  const facts = world();
  add(facts, "ovnFips", "f", { ovnEip: "e1", ipName: "web.default" });
  add(facts, "ovnSnatRules", "s", { ovnEip: "e1", vpcSubnet: "inner" });
  const { effects } = compile(facts, ovnEipKind, "e1");
  t.match(effects[0], {
    kind: "fill",
    labels: { "ovn.kubernetes.io/vpc": "team" },
    annotations: { "ovn.kubernetes.io/vpc_nat": "f" },
    condition: { status: { nat: "fip,snat", ready: true } },
  });
  const status = { v4Ip: "172.30.0.11", v6Ip: "fd00:30::11", macAddress: "02:00:00:00:00:11" };
  add(facts, "ovnEips", "e1", {}, { status, deletionTimestamp: "now" });
  t.match(outcome(facts, ovnEipKind, "e1"), { ready: false, reason: "InUse", message: /OvnFip f, OvnSnatRule s/ });
  t.equal(outcome(facts, ovnFipKind, "f").ready, true, "what uses it goes on");
  facts.set("ovnFips", "f", undefined);
  facts.set("ovnSnatRules", "s", undefined);
  t.match(compile(facts, ovnEipKind, "e1").effects, [{ kind: "fill", finalizer: false }]);
});

t.test("a subnet without its Vlan says so, and a Vlan names the older one of its id", async (t) => {
  const facts = world();
  add(facts, "vlans", "again", { id: 100, provider: "external" });
  t.match(outcome(facts, vlanKind, "again"), { reason: "VlanConflict", status: { conflict: true, subnets: [] } });
  t.match(outcome(facts, vlanKind, "v100"), { reason: "Ready", status: { conflict: false, subnets: ["external"] } });
  facts.set("vlans", "v100", undefined);
  const input = subnetUnit.read(facts, "external");
  const [condition] = input === undefined ? [] : conditionsIn(subnetUnit.compile(input).effects);
  t.match(condition, { ready: false, reason: "NoProviderNetwork", message: /spec\.vlan "v100"/ });
});

t.test("an OvnEip is used in one VPC: that of its port, or else of the oldest rule", async (t) => {
  const facts = world();
  addVpc(facts, "other", { enableExternal: true });
  addSubnet(facts, "others", { vpc: "other", cidrBlock: "10.0.1.0/24" });
  addEip(facts, "other-external", 20, { type: "lrp" });
  const port = { externalPort: "80", internalPort: "80", protocol: "tcp" };
  add(facts, "ovnDnatRules", "first", { ovnEip: "e1", ipName: "web.default", ...port });
  add(facts, "ovnSnatRules", "second", { ovnEip: "e1", vpcSubnet: "others" });
  add(facts, "ovnSnatRules", "same", { ovnEip: "e1", vpcSubnet: "inner" });
  t.match(outcome(facts, ovnSnatRuleKind, "second"), {
    ready: false,
    reason: "EipInUse",
    message: /OvnEip "e1" is used in VPC "team" by OvnDnatRule "first"/,
    tables: [],
  });
  for (const [kind, name] of [
    [ovnDnatRuleKind, "first"],
    [ovnSnatRuleKind, "same"],
  ] as const)
    t.equal(outcome(facts, kind, name).ready, true, name);
  add(facts, "ovnSnatRules", "ports", { ovnEip: "team-external", vpc: "other", v4IpCidr: "10.0.1.0/25" });
  t.match(outcome(facts, ovnSnatRuleKind, "ports"), { reason: "EipInUse", message: /the port of VPC "team"/ });
  facts.set("ovnDnatRules", "first", undefined);
  t.equal(outcome(facts, ovnSnatRuleKind, "second").ready, true, "the next one has it then");
  t.match(outcome(facts, ovnSnatRuleKind, "same"), { reason: "EipInUse", message: /VPC "other"/ });
});

t.test("an address leaves a VPC with one external address, however rules name it", async (t) => {
  const facts = world();
  add(facts, "ovnFips", "named", { ovnEip: "e1", ipName: "web.default" });
  add(facts, "ovnFips", "address", { ovnEip: "e2", vpc: "team", v4Ip: "10.0.1.5" });
  t.match(outcome(facts, ovnFipKind, "address"), { reason: "TargetInUse", message: /OvnFip "named"/, tables: [] });
  add(facts, "ovnSnatRules", "host", { ovnEip: "e2", vpc: "team", v4IpCidr: "10.0.1.5/32" });
  t.match(outcome(facts, ovnSnatRuleKind, "host"), { reason: "SourceInUse", message: /OvnFip "named"/, tables: [] });
  add(facts, "ovnSnatRules", "subnet", { ovnEip: "e2", vpcSubnet: "inner" });
  t.equal(outcome(facts, ovnSnatRuleKind, "subnet").ready, true, "a longer prefix counts in OVN");
  add(facts, "ovnSnatRules", "range", { ovnEip: "e1", vpc: "team", v4IpCidr: "10.0.1.0/24" });
  t.match(outcome(facts, ovnSnatRuleKind, "range"), { reason: "SourceInUse", message: /OvnSnatRule "subnet"/ });
  facts.set("ovnFips", "named", undefined);
  t.equal(outcome(facts, ovnFipKind, "address").ready, true);
  add(facts, "ovnFips", "late", { ovnEip: "e1", ipName: "web.default" });
  t.match(outcome(facts, ovnFipKind, "late"), { reason: "TargetInUse", message: /OvnFip "address"/ });
});

t.test("the OvnEip that was made for a VPC that has been recreated since is released", async (t) => {
  const facts = world();
  const former = { apiVersion: "kubeovn.io/v1", kind: "Vpc", name: "team", uid: "former", controller: true };
  const status = { v4Ip: "172.30.0.10", macAddress: "02:00:00:00:00:10" };
  const metadata = { ownerReferences: [former], status, deletionTimestamp: "now" };
  add(facts, "ovnEips", "team-external", { type: "lrp" }, metadata);
  t.match(compile(facts, ovnEipKind, "team-external").effects, [{ kind: "fill", finalizer: false }]);
});

t.test("an external subnet that is being deleted keeps what is connected to it, and gets nothing new", async (t) => {
  const facts = world();
  add(facts, "ovnFips", "f", { ovnEip: "e1", ipName: "web.default" });
  const spec = { cidrBlock: "172.30.0.0/24,fd00:30::/112", vlan: "v100" };
  addSubnet(facts, "external", spec, { deletionTimestamp: "now" });
  t.equal(outcome(facts, ovnFipKind, "f").ready, true);
  addVpc(facts, "late", { enableExternal: true });
  const input = vpcUnit.read(facts, "late");
  const { effects } = input === undefined ? { effects: [] } : vpcUnit.compile(input);
  t.notOk(effects.some(({ kind }) => kind === "make-object"));
  t.match(conditionsIn(effects)[0]?.notes, [{ reason: "SubnetNotReady" }]);
});

t.test("two nodes with the same chassis are one candidate", async (t) => {
  const facts = world();
  const labels = { "ovn.kubernetes.io/external-gw": "true" };
  const annotations = { "ovn.kubernetes.io/chassis": "chassis-gw-1" };
  facts.set("nodes", "copy", projectNode({ metadata: { name: "copy", uid: "copy", labels, annotations } }));
  const input = vpcUnit.read(facts, "team");
  const rows = input === undefined ? [] : vpcUnit.compile(input).rows;
  t.equal(rows.filter(({ table }) => table === "Gateway_Chassis").length, 2);
});

t.test("the default VPC's port in its external subnet has Kube-OVN's name", async (t) => {
  const facts = world();
  followed(facts, new NameCollisions(facts));
  addVpc(facts, "ovn-cluster", { enableExternal: true });
  addEip(facts, "ovn-cluster-external", 13, { type: "lrp" });
  const input = vpcUnit.read(facts, "ovn-cluster");
  const rows = input === undefined ? [] : vpcUnit.compile(input).rows;
  for (const name of ["ovn-cluster-external", "external-ovn-cluster"])
    t.ok(
      rows.some(({ columns }) => columns["name"] === name),
      name,
    );
});

t.test("packets from outside with an address of a peered VPC are dropped, because policies trust it", async (t) => {
  const facts = world();
  addSubnet(facts, "peers", { vpc: "peer", cidrBlock: "10.0.7.0/24" });
  addVpc(facts, "peer", { vpcPeerings: [{ remoteVpc: "team", localConnectIP: "169.254.0.2/30" }] });
  addVpc(facts, "team", {
    enableExternal: true,
    vpcPeerings: [{ remoteVpc: "peer", localConnectIP: "169.254.0.1/30" }],
  });
  settleSubnets(facts);
  const input = vpcUnit.read(facts, "team");
  const rows = input === undefined ? [] : vpcUnit.compile(input).rows;
  t.ok(
    rows.some(
      ({ columns }) => columns["match"] === 'inport == "team-external" && ip4.src == {10.0.1.0/24, 10.0.7.0/24}',
    ),
  );
});

t.test("an external router can be a pod's north gateway once the default VPC has a port in its subnet", async (t) => {
  const facts = world();
  addPod(facts, "a", { node: "weft-1", annotations: { "ovn.kubernetes.io/north_gateway": "172.30.0.1" } });
  const compiled = () => {
    const input = podUnit.read(facts, "default/a");
    const { rows, effects } = input === undefined ? { rows: [], effects: [] } : podUnit.compile(input);
    const events = effects.flatMap((effect) => (effect.kind === "report" ? effect.message : []));
    return { hops: rows.flatMap(({ columns }) => columns["nexthops"] ?? []), events };
  };
  t.match(compiled(), {
    hops: [],
    events: [/172\.30\.0\.1 is in external subnet external, in which VPC .* has no port/],
  });
  addVpc(facts, "ovn-cluster", { enableExternal: true });
  addEip(facts, "ovn-cluster-external", 13, { type: "lrp" });
  t.same(compiled(), { hops: ["172.30.0.1"], events: [] });
});

t.test("a pod in an external network sends only from its own addresses, whatever its annotations say", async (t) => {
  const facts = world();
  const annotations = { "ovn.kubernetes.io/port_security": "false", "ovn.kubernetes.io/port_vips": "172.30.0.11" };
  addPod(facts, "thief", { node: "weft-1", annotations });
  const place = { podName: "thief", namespace: "default", nodeName: "weft-1", subnet: "external" };
  addIp(facts, "thief.default", { ...place, v4: "172.30.0.66", v6: "" });
  const input = podUnit.read(facts, "default/thief");
  const rows = input === undefined ? [] : podUnit.compile(input).rows;
  const port = rows.find(({ columns }) => columns["name"] === "thief.default");
  t.match(port?.columns["port_security"], [/^[0-9a-f:]{17} 172\.30\.0\.66$/]);
});

t.test("with enableBfd external routers that share a destination are monitored, and a single one is not", async (t) => {
  const facts = world();
  const routes = (...hops: readonly string[]) =>
    hops.map((nextHopIP) => ({ cidr: nextHopIP.includes(":") ? "::/0" : "0.0.0.0/0", nextHopIP }));
  const apply = (staticRoutes: readonly { cidr: string; nextHopIP: string; bfdId?: string }[], enableBfd = true) => {
    addVpc(facts, "team", { enableExternal: true, enableBfd, staticRoutes });
    const { rows, effects } = compile(facts, vpcKind, "team");
    const of = (table: string) => rows.filter((row) => row.table === table);
    return {
      sessions: of("BFD").map(({ label }) => label),
      uuids: of("BFD").map(({ uuid }) => uuid),
      used: of("Logical_Router_Static_Route").flatMap(({ columns }) =>
        columns["route_table"] === "" ? [columns["bfd"]] : [],
      ),
      condition: conditionsIn(effects)[0],
    };
  };
  const hops = ["172.30.0.2", "172.30.0.3", "fd00:30::2", "fd00:30::3"] as const;
  const ids = hops.map((hop) => `team-external/${hop}`);
  const both = apply(routes(...hops));
  t.same(both.sessions, ids);
  t.same(both.used, both.uuids, "by its route");
  t.match(both.condition, { reason: "Ready", status: { enableBfd: true } });
  golden(t, "vpc-external-bfd", vpcKind.unit, facts, "team");

  for (const [i, status] of (["up", "down"] as const).entries()) {
    const [uuid = "", address = ""] = [both.uuids[i], hops[i]];
    const key = `team-external/${address}`;
    facts.set("bfdSessions", key, { key, uuid, port: "team-external", address, status, foreign: false });
  }
  const { condition } = apply(routes(...hops));
  t.match(condition, { ready: true, reason: "BfdDown", message: /next hop 172\.30\.0\.3 does not answer BFD/ });

  const key = ids[0] as string;
  const foreign = { key, uuid: "4ba0d4e4-2d1c-4b7c-9d6f-0b0f5d4d8f3a", port: "team-external", address: hops[0] };
  facts.set("bfdSessions", key, { ...foreign, status: "down", foreign: true });
  const shared = apply(routes(...hops));
  t.same(shared.sessions, ids.slice(1), "a session that another client has created is not created twice");
  t.same(shared.used, [foreign.uuid, ...both.uuids.slice(1)], "and is used");
  t.match(shared.condition, { reason: "BfdDown", message: /172\.30\.0\.2 does not .*172\.30\.0\.3 does not/ });
  facts.set("bfdSessions", key, undefined);

  const alone = apply([...routes("172.30.0.2"), { cidr: "10.9.0.0/16", nextHopIP: "172.30.0.2" }]);
  t.same([alone.sessions, alone.used], [[], [undefined, undefined]]);
  t.match(alone.condition, { reason: "BfdUnused", status: { enableBfd: false } });
  const inside = apply(routes("172.30.0.2", "10.0.1.9"));
  t.same(inside.sessions, ["team-external/172.30.0.2"], "none with what is inside");
  const named = apply(
    routes("172.30.0.2", "172.30.0.3").map((route) => ({ ...route, bfdId: "4ba0d4e4-2d1c-4b7c-9d6f-0b0f5d4d8f3a" })),
  );
  t.same(named.sessions, [], "none where the route names one");
  const off = apply(routes(...hops), false);
  t.same(off.sessions, []);
  t.match(off.condition, { reason: "Ready", status: { enableBfd: false } });
});

t.test("a BFD port with an address of an external subnet is refused", (t) => {
  const facts = world();
  const bfdPort = { enabled: true, ip: "172.30.0.99" };
  addVpc(facts, "team", { enableExternal: true, bfdPort });
  const { rows, effects } = compile(facts, vpcKind, "team");
  t.notOk(rows.some(({ columns }) => columns["name"] === "bfd@team"));
  const message = /172\.30\.0\.99 is in external subnet external \(172\.30\.0\.0\/24\)/;
  t.match(conditionsIn(effects)[0]?.refused, { reason: "InvalidBfdPort", message });
  t.end();
});

/** Says that a node is connected to the network outside, or why it is not. */
function connect(facts: FactStore, node: string, problem?: string): void {
  const key = `external/${node}`;
  const state = problem === undefined ? { interface: "eth1", mtu: 1500 } : { reason: problem, message: "" };
  facts.set("providerNodes", key, { key, network: "external", node, interface: "eth1", state });
}

/** The chassis that may have the address of an OvnEip of type `lsp`: the first one that is alive has it. */
function hosts(facts: FactStore, eip: string): readonly unknown[] {
  const { rows } = compile(facts, ovnEipKind, eip);
  const found = rows.filter(({ table }) => table === "Gateway_Chassis").map(({ columns }) => columns);
  const sorted = found.toSorted((a, b) => Number(b["priority"]) - Number(a["priority"]));
  return sorted.map(({ chassis_name: name }) => String(name).replace("chassis-", ""));
}

t.test(
  "an OvnEip of type lsp is a router whose port is on the node with its name, or else on another one",
  async (t) => {
    const facts = world();
    addEip(facts, "gw-1", 21, { type: "lsp" });
    addChassis(facts, "other", "chassis-other");
    for (const node of ["gw-1", "gw-2"]) connect(facts, node);
    golden(t, "ovn-eip-lsp", ovnEipKind.unit, facts, "gw-1");
    t.same(hosts(facts, "gw-1"), ["gw-1", "gw-2", "other"], "those that are connected before others");
    addEip(facts, "other", 22, { type: "lsp" });
    connect(facts, "other");
    t.same(hosts(facts, "gw-1"), ["gw-1", "other", "gw-2"], "those with such an OvnEip before others");
    t.same(hosts(facts, "other"), ["other", "gw-1", "gw-2"]);

    const state = () => {
      const { ready, reason, message, status, tables } = outcome(facts, ovnEipKind, "gw-1");
      return { ready, reason, message, shown: status?.["ready"], isRouter: tables.includes("Logical_Router") };
    };
    t.match(state(), { ready: true, reason: "Ready", shown: true, isRouter: true });
    const instead = /; another node forwards in its place$/;
    connect(facts, "gw-1", "InterfaceNotFound");
    t.match(state(), { ready: false, reason: "NodeNotConnected", message: instead, shown: false });
    t.same(hosts(facts, "gw-1")[0], "other");
    facts.set("nodes", "gw-1", undefined);
    t.match(state(), { ready: false, reason: "NodeNotFound", message: instead, isRouter: true });
    t.same(hosts(facts, "gw-1"), ["other"], "alone: of two chassis none would take over");
    connect(facts, "other", "InterfaceNotFound");
    t.match(state(), { ready: false, reason: "NodeNotFound", message: /; the address is reserved$/, isRouter: false });
    addNode(facts, "gw-1", "172.18.0.14");
    t.match(state(), { ready: false, reason: "NodeNotReady", isRouter: false });
    addChassis(facts, "gw-1", "chassis-gw-1");
    t.match(state(), { ready: false, reason: "NodeNotConnected", isRouter: false });
  },
);

t.test(
  "at most five chassis may have the address of an OvnEip of type lsp, each node's in its own order",
  async (t) => {
    const facts = world();
    const nodes = ["n1", "n2", "n3", "n4", "n5", "n6"];
    for (const [i, node] of nodes.entries()) {
      addNode(facts, node, `172.18.1.${i}`);
      addChassis(facts, node, `chassis-${node}`);
      connect(facts, node);
      addEip(facts, node, 31 + i, { type: "lsp" });
    }
    t.same(hosts(facts, "n1"), ["n1", "n2", "n3", "n4", "n5"]);
    t.same(hosts(facts, "n5"), ["n5", "n6", "n1", "n2", "n3"]);
    add(facts, "ovnEips", "n6", { type: "lsp", externalSubnet: "elsewhere" });
    t.same(hosts(facts, "n5"), ["n5", "n1", "n2", "n3", "n4"], "only those of the same subnet");
  },
);

t.test(
  "next hops that are OvnEips of type lsp have no BFD sessions, and routes to them are used without",
  async (t) => {
    const facts = world();
    addEip(facts, "gw-1", 21, { type: "lsp" });
    const bfdId = "4ba0d4e4-2d1c-4b7c-9d6f-0b0f5d4d8f3a";
    const session = { key: "team-external/172.30.0.21", uuid: bfdId, port: "team-external", address: "172.30.0.21" };
    facts.set("bfdSessions", session.key, { ...session, status: "down", foreign: true });
    const hops = ["172.30.0.21", "172.30.0.2", "fd00:30::21"];
    const routes = (ids: Readonly<Record<string, string>> = {}) =>
      hops.map((nextHopIP) => ({
        ...{ cidr: nextHopIP.includes(":") ? "::/0" : "0.0.0.0/0", nextHopIP },
        bfdId: ids[nextHopIP] ?? "",
      }));
    addVpc(facts, "team", { enableExternal: true, enableBfd: true, staticRoutes: routes() });
    const columnsOf = (table: string) =>
      compile(facts, vpcKind, "team").rows.flatMap((row) => (row.table === table ? [row.columns] : []));
    t.same(
      columnsOf("BFD").map(({ dst_ip: address }) => address),
      ["172.30.0.2"],
      "a session with the router, and none with the node, which would never answer",
    );
    t.match(outcome(facts, vpcKind, "team"), { ready: true, reason: "Ready", status: { enableBfd: true } });
    addVpc(facts, "team", { enableExternal: true, staticRoutes: routes({ "172.30.0.21": bfdId }) });
    t.same(
      columnsOf("Logical_Router_Static_Route").flatMap(({ bfd }) => bfd ?? []),
      [],
      "a session of another client neither",
    );
    t.match(outcome(facts, vpcKind, "team"), {
      reason: "BfdUnused",
      message: /bfdId: the BFD session is not used: 172\.30\.0\.21 is an OvnEip of type lsp/,
    });
    addVpc(facts, "team", { enableExternal: true, enableBfd: true, staticRoutes: [routes()[0]!] });
    t.match(outcome(facts, vpcKind, "team"), { reason: "Ready", status: { enableBfd: true } }, "as in Kube-OVN");
  },
);

t.test("a node is labelled while an OvnEip of type lsp has its name", async (t) => {
  const facts = world();
  const label = "ovn.kubernetes.io/node-ext-gw";
  const labels = () => {
    const input = nodeUnit.read(facts, "gw-1");
    const effects = input === undefined ? [] : nodeUnit.compile(input).effects;
    const found = effects.find(({ key }) => key.endsWith("/node-eip"));
    return found?.kind === "patch-object" ? found.body : undefined;
  };
  const become = (value: string) => {
    const node = facts.get("nodes", "gw-1");
    if (node !== undefined) facts.set("nodes", "gw-1", { ...node, labels: { ...node.labels, [label]: value } });
  };
  t.equal(labels(), undefined);
  addEip(facts, "gw-1", 21);
  t.equal(labels(), undefined, "not of another type");
  addEip(facts, "gw-1", 21, { type: "lsp" });
  t.match(labels(), { metadata: { labels: { [label]: "true" } } });
  become("true");
  t.equal(labels(), undefined, "once");
  facts.set("ovnEips", "gw-1", undefined);
  t.match(labels(), { metadata: { labels: { [label]: "false" } } });
  become("false");
  t.equal(labels(), undefined);
});

t.test("a RouterLBRule is a Service that finds its endpoints, and load balancers of the VPC's router", async (t) => {
  const facts = world();
  const ports = [
    { name: "https", port: 443, targetPort: 8443, protocol: "TCP" },
    { name: "dns", port: 53, targetPort: 5353, protocol: "UDP" },
  ];
  const spec = { ovnEip: "e1", vpc: "team", endpoints: ["10.0.1.5", "fd00:10:1::5"], ports };
  add(facts, "routerLbRules", "web", spec);
  golden(t, "router-lb-rule-new", routerLbRuleKind.unit, facts, "web");
  // What the API server has then: first the Service, then its EndpointSlices.
  const carryOut = (): void => {
    for (const effect of compile(facts, routerLbRuleKind, "web").effects) {
      if (effect.kind !== "make-object") continue;
      const { metadata, ...body } = effect.body as ObjectBody & Record<string, object>;
      const object = { ...body, metadata: { uid: `uid-${metadata.name}`, ...metadata } } as never;
      if (effect.resource === "services") facts.set("services", "default/rlr-web", projectService(object));
      else facts.set("endpointSlices", `default/${metadata.name}`, projectEndpointSlice(object));
    }
  };
  carryOut();
  carryOut();
  golden(t, "router-lb-rule", routerLbRuleKind.unit, facts, "web");
  const { tables, reason } = outcome(facts, routerLbRuleKind, "web");
  t.same([tables, reason], [["Load_Balancer", "Load_Balancer"], "Ready"]);
});
