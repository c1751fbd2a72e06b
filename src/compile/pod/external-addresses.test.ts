// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { deriverOf } from "../../facts/derivation.ts";
import { projectExternalGatewayConfig } from "../../facts/external-config.ts";
import { projectNode } from "../../facts/project-core.ts";
import { recordedDeriver } from "../../facts/recorded-derivation.ts";
import type { FactStore } from "../../facts/store.ts";
import { projectOvnDnatRule } from "../../kinds/ovn-dnat-rule.ts";
import { projectOvnEip } from "../../kinds/ovn-eip.ts";
import { projectOvnFip } from "../../kinds/ovn-fip.ts";
import { projectVlan } from "../../kinds/vlan.ts";
import { eipVpcs } from "../nat/eip-exclusion.ts";
import { addIp, addPod, addSubnet, addVpc, followed, sampleFacts } from "../testing/sample-facts.ts";
import { externalGateways } from "../vpc/external-gateways.ts";
import { podUnit } from "./pod.ts";

const [EIP, SNAT] = ["ovn.kubernetes.io/eip", "ovn.kubernetes.io/snat"];
const FOR_PODS = "weft.kubeovn.io/for-pods";

function addEip(
  facts: FactStore,
  name: string,
  address: string,
  annotations: Record<string, string> = {},
  type = "nat",
) {
  const metadata = { name, uid: `uid-${name}`, generation: 1, annotations };
  const v6 = address.includes(":");
  const status = { [v6 ? "v6Ip" : "v4Ip"]: address, macAddress: "02:00:00:00:00:09" };
  facts.set(
    "ovnEips",
    name,
    projectOvnEip({ metadata, spec: { externalSubnet: "external", type, ...status }, status }),
  );
}

/** The default VPC with a port in subnet `external`, and a pod `b`. */
function world(annotations: Record<string, string>, subnet = "ovn-default", v6 = "fd00:10:16::9"): FactStore {
  const facts = sampleFacts();
  followed(facts, deriverOf(facts, externalGateways));
  followed(facts, recordedDeriver(facts, eipVpcs));
  const node = { name: "gw", uid: "gw", labels: { "ovn.kubernetes.io/external-gw": "true" } };
  facts.set("nodes", "gw", projectNode({ metadata: { ...node, annotations: { "ovn.kubernetes.io/chassis": "c" } } }));
  facts.set("vlans", "v", projectVlan({ metadata: { name: "v", uid: "v" }, spec: { id: 0, provider: "external" } }));
  addSubnet(facts, "external", { cidrBlock: "172.30.0.0/24,fd00:30::/112", vlan: "v" });
  addVpc(facts, "ovn-cluster", { enableExternal: true });
  addVpc(facts, "team", {});
  addSubnet(facts, "inner", { vpc: "team", cidrBlock: "10.16.0.0/24" });
  addEip(facts, "ovn-cluster-external", "172.30.0.10", {}, "lrp");
  addPod(facts, "b", { node: "weft-1", annotations });
  addIp(facts, "b.default", {
    ...{ podName: "b", namespace: "default", nodeName: "weft-1", subnet, v4: "10.16.0.9", v6 },
  });
  return facts;
}

/** The rows of the pod's translations and their policies, the OvnEips that are to be created, and the Events. */
function compiled(facts: FactStore) {
  const input = podUnit.read(facts, "default/b");
  if (input === undefined) throw new Error("no unit");
  const { rows, effects } = podUnit.compile(input);
  const of = (table: string) => rows.flatMap((row) => (row.table === table ? [row.columns] : []));
  const made = effects.flatMap((effect) => (effect.kind === "make-object" ? effect.body : []));
  const events = effects.flatMap((effect) => (effect.kind === "report" ? `${effect.reason}: ${effect.message}` : []));
  return { nat: of("NAT"), policies: of("Logical_Router_Policy"), made, events };
}

t.test("an OvnEip is created for the address of an annotation, and used when it has the address", async (t) => {
  const facts = world({ [EIP]: "172.30.0.77,fd00:30::77" });
  t.match(compiled(facts), {
    nat: [],
    events: [],
    made: [
      {
        metadata: { name: "pods-172-30-0-77", annotations: { [FOR_PODS]: "eip/default/b" } },
        spec: { externalSubnet: "external", type: "nat", v4Ip: "172.30.0.77" },
      },
      { metadata: { name: "pods-fd00-30--77" }, spec: { v6Ip: "fd00:30::77" } },
    ],
  });
  addEip(facts, "pods-172-30-0-77", "172.30.0.77", { [FOR_PODS]: "eip/default/b" });
  const { nat, policies, made } = compiled(facts);
  t.equal(made.length, 1, "the other one is still wanted");
  t.match(nat, [
    {
      ...{ type: "dnat_and_snat", external_ip: "172.30.0.77", logical_ip: "10.16.0.9" },
      ...{ external_mac: undefined, logical_port: undefined, options: { stateless: "false" } },
    },
  ]);
  t.match(policies, [{ priority: 29_250, match: "ip4.src == 10.16.0.9", action: "reroute", nexthops: ["172.30.0.1"] }]);
});

t.test("with the ConfigMap's type distributed, the pod's own node translates", async (t) => {
  const facts = world({ [EIP]: "172.30.0.77" });
  addEip(facts, "pods-172-30-0-77", "172.30.0.77", { [FOR_PODS]: "eip/default/b" });
  const metadata = { namespace: "kube-system", name: "ovn-external-gw-config", uid: "c" };
  const config = projectExternalGatewayConfig({ metadata, data: { type: "distributed" } });
  facts.set("externalGatewayConfigs", config.key, config);
  const row = { logical_port: "b.default", external_mac: /^[0-9a-f:]{17}$/, options: { stateless: "true" } };
  t.match(compiled(facts).nat, [row]);
  const port = { externalPort: "80", internalPort: "8080", protocol: "tcp" };
  const rule = { metadata: { name: "d", uid: "d" }, spec: { ovnEip: "e", ipName: "b.default", ...port } };
  facts.set("ovnDnatRules", "d", projectOvnDnatRule(rule));
  t.match(compiled(facts).nat, [{ ...row, logical_port: "cr-ovn-cluster-external" }], "the gateway node, with a rule");
  facts.set("ovnDnatRules", "d", undefined);
  const other = projectExternalGatewayConfig({ metadata: { ...metadata, namespace: "tenant" }, data: {} });
  facts.set("externalGatewayConfigs", config.key, undefined);
  facts.set("externalGatewayConfigs", other.key, { ...other, distributed: true });
  t.match(compiled(facts).nat, [{ logical_port: undefined }], "one of another namespace has no effect");
});

t.test("several pods leave with one address of annotation snat", async (t) => {
  const facts = world({ [SNAT]: "172.30.0.78" });
  addPod(facts, "a", { node: "weft-1", annotations: { [SNAT]: "172.30.0.78" } });
  addEip(facts, "pods-172-30-0-78", "172.30.0.78", { [FOR_PODS]: "snat" });
  t.match(compiled(facts), { nat: [{ type: "snat", external_ip: "172.30.0.78", options: {} }], events: [] });
});

t.test("an address that cannot be used is reported in an Event, and has no rows", async (t) => {
  const ofPods = (use: string) => (facts: FactStore) =>
    addEip(facts, "pods-172-30-0-77", "172.30.0.77", { [FOR_PODS]: use });
  const addA = (facts: FactStore) => addPod(facts, "a", { node: "weft-1", annotations: { [EIP]: "172.30.0.77" } });
  const cases: readonly (readonly [why: RegExp, facts: FactStore, change?: (facts: FactStore) => void])[] = [
    [/only pods in VPC "ovn-cluster" can have external addresses/, world({ [EIP]: "172.30.0.77" }, "inner")],
    [/192.0.2.1 is in no external subnet/, world({ [EIP]: "192.0.2.1" })],
    [/no address of the family of fd00:30::77/, world({ [EIP]: "fd00:30::77" }, "ovn-default", "")],
    [
      /172.30.0.77 is used by pod "default\/a" \(ovn.kubernetes.io\/eip\)/,
      world({ [EIP]: "172.30.0.77" }),
      (facts) => {
        addA(facts);
        ofPods("eip/default/a")(facts);
      },
    ],
    [/is used as a source \(ovn.kubernetes.io\/snat\)/, world({ [EIP]: "172.30.0.77" }), ofPods("snat")],
    [
      /OvnEip "pods-172-30-0-77" of 172.30.0.77 was not created for annotations/,
      world({ [EIP]: "172.30.0.77" }),
      (facts) => addEip(facts, "pods-172-30-0-77", "172.30.0.77"),
    ],
    [
      /is not used, because OvnFip "f" translates the pod's address/,
      world({ [EIP]: "172.30.0.77" }),
      (facts) => {
        addEip(facts, "e", "172.30.0.20");
        const metadata = { name: "f", uid: "f", generation: 1 };
        facts.set("ovnFips", "f", projectOvnFip({ metadata, spec: { ovnEip: "e", ipName: "b.default" } }));
      },
    ],
    [/the pod is in subnet "external" of a network outside/, world({ [EIP]: "172.30.0.77" }, "external")],
  ];
  for (const [why, facts, change] of cases) {
    change?.(facts);
    const { nat, events } = compiled(facts);
    t.match(events, [why]);
    t.match(events[0], /^ExternalAddressNotUsed: /);
    t.same(nat, []);
  }
  const gone = world({ [EIP]: "172.30.0.77" });
  ofPods("eip/default/gone")(gone);
  t.match(compiled(gone), { nat: [], events: [] }, "nothing is said until the next pod is decided");
});

t.test("of both annotations, eip has precedence in each family", async (t) => {
  const facts = world({ [EIP]: "172.30.0.77", [SNAT]: "172.30.0.78,fd00:30::78" });
  addEip(facts, "pods-172-30-0-77", "172.30.0.77", { [FOR_PODS]: "eip/default/b" });
  addEip(facts, "pods-172-30-0-78", "172.30.0.78", { [FOR_PODS]: "snat" });
  addEip(facts, "pods-fd00-30--78", "fd00:30::78", { [FOR_PODS]: "snat" });
  const { nat, events } = compiled(facts);
  t.match(nat, [{ type: "dnat_and_snat" }, { type: "snat", external_ip: "fd00:30::78" }]);
  t.match(events, [/172.30.0.78 \(ovn.kubernetes.io\/snat\) is not used/]);
});
