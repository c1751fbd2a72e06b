// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { podInterfaces } from "../../claims/pod-interfaces.ts";
import type { Fragment } from "../../desired/fragment.ts";
import { rowUuid } from "../../desired/identity.ts";
import type { FactStore } from "../../facts/store.ts";
import type { AnnotateEffect, WeftEffect } from "../effects.ts";
import { groupId } from "../owner-ids.ts";
import {
  addIp,
  addNetwork,
  addNetworkPolicy,
  addPod,
  addSubnet,
  NETWORK_CONFIG,
  SAMPLE_CLUSTER,
  sampleFacts,
} from "../testing/sample-facts.ts";
import { podUnit } from "./pod.ts";

const NETWORKS = "k8s.v1.cni.cncf.io/networks";

/** The sample pod with an interface on OVN and one that only has its address here, both annotated. */
function sample(): FactStore {
  const facts = sampleFacts();
  addNetwork(facts, "net1", NETWORK_CONFIG.ovn("net1"));
  addNetwork(facts, "lan", NETWORK_CONFIG.ipam("lan"));
  addSubnet(facts, "net1", { cidrBlock: "10.30.0.0/24", provider: "net1.default.ovn" });
  addSubnet(facts, "lan", { cidrBlock: "10.31.0.0/24", provider: "lan.default" });
  name(facts, "net1,lan");
  const common = { podName: "a", namespace: "default", nodeName: "weft-1", v6: "" };
  addIp(facts, "a.default.net1.default.ovn", { ...common, subnet: "net1", v4: "10.30.0.2" });
  addIp(facts, "a.default.lan.default", { ...common, subnet: "lan", v4: "10.31.0.2" });
  name(facts, "net1,lan");
  return facts;
}

function compile(facts: FactStore): Fragment<WeftEffect> {
  const input = podUnit.read(facts, "default/a");
  return input === undefined
    ? { database: "OVN_Northbound", rows: [], edges: [], effects: [] }
    : podUnit.compile(input);
}

/** The pod names these networks; its annotations are up to date. */
function name(facts: FactStore, networks: string): void {
  const told = compile(facts).effects.filter((effect): effect is AnnotateEffect => effect.kind === "annotate");
  const annotations: Record<string, string> = { ...facts.get("pods", "default/a")?.annotations, [NETWORKS]: networks };
  for (const [key, value] of told.flatMap((effect) => Object.entries(effect.annotations))) {
    if (value === null) delete annotations[key];
    else annotations[key] = value;
  }
  addPod(facts, "a", { node: "weft-1", annotations });
}

const ports = (facts: FactStore) => compile(facts).rows.map((row) => row.columns["name"]);
const released = (facts: FactStore) =>
  compile(facts).effects.flatMap((effect) => (effect.kind === "release-ip" ? effect.name : []));

t.test(
  "a pod that names another primary network gets none of Weft's while that or its other networks cannot be read",
  async (t) => {
    const facts = sampleFacts();
    addNetwork(facts, "net1", NETWORK_CONFIG.ovn("net1"));
    const all: readonly Record<string, string>[] = [
      { "v1.multus-cni.io/default-network": "default/net1", [NETWORKS]: "[{" },
      { "v1.multus-cni.io/default-network": "[{", [NETWORKS]: "net1" },
      { "v1.multus-cni.io/default-network": "default/net1,default/net1" },
    ];
    for (const annotations of all) {
      addPod(facts, "a", { node: "weft-1", annotations });
      t.equal(wanted(facts).unclear.length, 1);
      t.same(wanted(facts).has, []);
    }
  },
);

t.test(
  "an interface that a pod no longer names is removed with its port, its address and its annotations",
  async (t) => {
    const facts = sample();
    t.same(ports(facts), ["a.default", "a.default.net1.default.ovn"]);
    name(facts, "lan");
    t.same(ports(facts), ["a.default"]);
    t.same(released(facts), ["a.default.net1.default.ovn"]);
    const [told] = compile(facts).effects.flatMap((effect) => (effect.kind === "annotate" ? [effect.annotations] : []));
    t.same([...new Set(Object.values(told ?? {}))], [null]);
    t.match(Object.keys(told ?? {}), [/^net1\.default\.ovn\.kubernetes\.io\//]);
    name(facts, "lan");
    t.same(facts.get("pods", "default/a")?.annotations["net1.default.ovn.kubernetes.io/allocated"], undefined);
  },
);

t.test(
  "a pod keeps its interfaces if the definition is deleted, or its annotation of networks is malformed",
  async (t) => {
    const facts = sample();
    const before = compile(facts);
    name(facts, "net1,lan");
    facts.set("attachments", "default/net1", undefined);
    facts.set("attachments", "default/lan", undefined);
    t.same(compile(facts).rows, before.rows);
    t.same(released(facts), []);
    name(facts, "net1,,lan");
    t.same(compile(facts).rows, before.rows);
    t.same(compile(facts).effects, []);
    name(facts, "");
    t.same(released(facts).sort(), ["a.default.lan.default", "a.default.net1.default.ovn"]);
  },
);

t.test("an interface that a pod no longer names stays while Multus reports that the pod has it", async (t) => {
  const facts = sample();
  const before = ports(facts);
  const record = facts.get("ips", "a.default.net1.default.ovn");
  const attached = [{ network: "default/net1", addresses: [record?.mac ?? "", "10.30.0.2"] }];
  /** The pod names these networks, and Multus reports those. */
  const edit = (networks: string, status: typeof attached): void => {
    name(facts, networks);
    const pod = facts.get("pods", "default/a");
    if (pod !== undefined) facts.set("pods", "default/a", { ...pod, attached: status });
  };
  for (const networks of ["lan", "", "lan,other"]) {
    const pod = facts.get("pods", "default/a");
    if (pod !== undefined)
      facts.set("pods", "default/a", { ...pod, attached, annotations: { ...pod.annotations, [NETWORKS]: networks } });
    edit(networks, attached);
    t.same(ports(facts), before, networks);
    t.notOk(released(facts).includes("a.default.net1.default.ovn"), networks);
  }
  edit("lan", [{ network: "default/other", addresses: ["10.30.0.2"] }]);
  t.same(ports(facts), ["a.default"], "an equal address of another network");
  t.same(released(facts), ["a.default.net1.default.ovn"]);
  edit("lan", []);
  t.same(released(facts), ["a.default.net1.default.ovn"]);
});

t.test("an interface keeps its address and port if its network is named a second time, or again", (t) => {
  const facts = sample();
  const first = "a.default.net1.default.ovn";
  const providers = (): readonly string[] => {
    const pod = facts.get("pods", "default/a");
    return pod === undefined ? [] : podInterfaces(facts, pod).interfaces.map(({ provider }) => provider);
  };
  for (const networks of ["net1,lan,net1", "net1@net1,lan,net1@other"]) {
    name(facts, networks);
    t.ok(ports(facts).includes(first), networks);
    t.same(released(facts), [], networks);
    t.equal(new Set(providers()).size, 4, networks);
  }
  name(facts, "net1,lan");
  t.ok(ports(facts).includes(first), "once again");

  const twice = sampleFacts();
  addNetwork(twice, "net1", NETWORK_CONFIG.ovn("net1"));
  addSubnet(twice, "net1", { cidrBlock: "10.30.0.0/24", provider: "net1.default.ovn" });
  name(twice, "net1,net1");
  const common = { podName: "a", namespace: "default", nodeName: "weft-1", v6: "", subnet: "net1" };
  addIp(twice, "a.default.net1.default.ovn.net1", { ...common, v4: "10.30.0.2" });
  addIp(twice, "a.default.net1.default.ovn.net2", { ...common, v4: "10.30.0.3" });
  name(twice, "net1,net1");
  name(twice, "net1");
  t.ok(ports(twice).includes("a.default.net1.default.ovn.net1"), "the first of two");
  t.same(released(twice), ["a.default.net1.default.ovn.net2"], "the other one is no longer named");
  t.end();
});

t.test("a changed definition is another interface", async (t) => {
  const facts = sample();
  addNetwork(facts, "net1", NETWORK_CONFIG.ipam("net1"));
  t.same(released(facts), ["a.default.net1.default.ovn"]);
  const pod = facts.get("pods", "default/a");
  const names = pod && podInterfaces(facts, pod).interfaces.map(({ provider }) => provider);
  t.same(names, ["ovn", "net1.default", "lan.default"]);
});

t.test("the addresses of all interfaces are released with the pod, and kept if its own is kept", async (t) => {
  const facts = sample();
  facts.set("pods", "default/a", undefined);
  t.same(released(facts).sort(), ["a.default", "a.default.lan.default", "a.default.net1.default.ovn"]);
  for (const ip of facts.by("ips", "holder", "default/a"))
    facts.set("ips", ip.name, { ...ip, podType: "VirtualMachine" });
  t.equal(released(facts).length, 3);
  facts.set("virtualMachines", "default/a", { key: "default/a", deleting: false });
  t.same(released(facts), []);
  addPod(facts, "a", { node: "weft-1", annotations: { [NETWORKS]: "lan" } });
  t.same(released(facts), ["a.default.net1.default.ovn"], "its next pod has no such interface");
  t.match(
    compile(facts).effects.find((effect) => effect.kind === "release-ip"),
    { confirm: undefined },
  );
});

t.test("retained addresses of a pod outlive that its network is unknown for a while", async (t) => {
  const facts = sample();
  const name = "a.default.net1.default.ovn";
  const ip = facts.get("ips", name);
  if (ip) facts.set("ips", name, { ...ip, podUid: "its-predecessor", podType: "VirtualMachine" });
  facts.set("virtualMachines", "default/a", { key: "default/a", deleting: false });
  addPod(facts, "a", { node: "weft-1", annotations: { [NETWORKS]: "net1" } });
  for (const definition of [undefined, "{"]) {
    if (definition === undefined) facts.set("attachments", "default/net1", undefined);
    else addNetwork(facts, "net1", definition);
    t.same(released(facts), ["a.default.lan.default"]);
    t.same(ports(facts), ["a.default"]);
  }
  addPod(facts, "a", { node: "weft-1", annotations: { [NETWORKS]: "net1,," } });
  t.notOk(released(facts).includes(name));
  addPod(facts, "a", { node: "weft-1", annotations: { [NETWORKS]: "lan" } });
  t.ok(released(facts).includes(name), "it is not among those that the pod names");
});

/** The providers of the wanted interfaces, and the problems of the others. */
function wanted(facts: FactStore): { readonly has: readonly string[]; readonly unclear: readonly string[] } {
  const pod = facts.get("pods", "default/a");
  const { interfaces = [], unclear = [] } = pod === undefined ? {} : podInterfaces(facts, pod);
  return { has: interfaces.map(({ provider }) => provider), unclear: unclear.map(({ message }) => message) };
}

t.test(
  "a network that a pod names twice is two interfaces, distinguished by the names that Multus gives them",
  async (t) => {
    const facts = sample();
    const of = (annotations: Record<string, string>) => {
      addPod(facts, "a", { node: "weft-1", annotations });
      return wanted(facts);
    };
    t.same(of({ [NETWORKS]: "net1,lan,net1" }).has, [
      "ovn",
      "net1.default.ovn.net1",
      "lan.default",
      "net1.default.ovn.net3",
    ]);
    t.same(of({ [NETWORKS]: "lan@eth7,lan" }).has, ["ovn", "lan.default.eth7", "lan.default"], "one needs no name");
    t.same(of({ [NETWORKS]: "lan,lan@eth7,lan" }).has, [
      "ovn",
      "lan.default.net1",
      "lan.default.eth7",
      "lan.default.net3",
    ]);
    for (const [networks, why] of [
      ["net1@eth7,net1@eth7", /^Network "default\/net1" is named more than once with the same interface name/],
      ["net1@Eth7,net1", /an interface name "Eth7"/],
      ["lan@ovn,lan", /the interface name "ovn", which is reserved/],
    ] as const)
      t.match(of({ [NETWORKS]: networks }).unclear, [why], networks);
  },
);

t.test("a default network replaces the pod's primary one, but no allocated interface", async (t) => {
  const facts = sample();
  const annotations = { [NETWORKS]: "net1", "v1.multus-cni.io/default-network": "default/net1" };
  addPod(facts, "a", { node: "weft-1", annotations });
  t.same(wanted(facts), { has: ["net1.default.ovn", "net1.default.ovn.net1"], unclear: [] });
  t.ok(released(facts).includes("a.default"));
  const told = { ...annotations, "ovn.kubernetes.io/allocated": "true" };
  addPod(facts, "a", { node: "weft-1", annotations: told });
  t.equal(wanted(facts).has[0], "ovn");
  t.notOk(released(facts).includes("a.default"));
});

t.test(
  "a running pod whose default network is no longer named keeps it, and may have another one in its next sandbox",
  async (t) => {
    const facts = sampleFacts();
    addNetwork(facts, "net1", NETWORK_CONFIG.ovn("net1"));
    addSubnet(facts, "net1", { cidrBlock: "10.30.0.0/24", provider: "net1.default.ovn" });
    addPod(facts, "a", { node: "weft-1", annotations: { "v1.multus-cni.io/default-network": "default/net1" } });
    const net1 = "a.default.net1.default.ovn";
    addIp(facts, net1, {
      podName: "a",
      namespace: "default",
      nodeName: "weft-1",
      v6: "",
      subnet: "net1",
      v4: "10.30.0.2",
    });
    t.same(ports(facts), [net1]);
    addPod(facts, "a", { node: "weft-1", annotations: {} });
    const pod = facts.get("pods", "default/a")!;
    facts.set("pods", "default/a", { ...pod, attached: [{ network: "default/net1", addresses: ["10.30.0.2"] }] });
    t.ok(ports(facts).includes(net1));
    t.notOk(released(facts).includes(net1));
    t.same(wanted(facts).has, ["ovn", "net1.default.ovn"]);
  },
);

t.test(
  "with another primary network plugin a pod has the interfaces of the networks that it names, and no other",
  async (t) => {
    const facts = sample();
    facts.set("cluster", "cluster", { ...SAMPLE_CLUSTER, nonPrimary: true });
    addPod(facts, "a", { node: "weft-1" });
    t.same(wanted(facts), { has: [], unclear: [] });
    addPod(facts, "a", { node: "weft-1", annotations: { [NETWORKS]: "net1" } });
    t.same(wanted(facts).has, ["net1.default.ovn"]);
    t.same(ports(facts), ["a.default.net1.default.ovn"]);
  },
);

t.test("each interface is removed by itself", async (t) => {
  const facts = sample();
  facts.set("ips", "a.default", undefined);
  t.same(ports(facts), ["a.default.net1.default.ovn"]);
  facts.set("verdicts", "net1", undefined);
  t.same(ports(facts), []);
  t.same(compile(facts).effects, [], "existing annotations stay");
});

t.test("a policy applies to every port of a pod, or to the interfaces that it names", async (t) => {
  const facts = sample();
  const policies: Record<string, string | undefined> = {
    all: undefined,
    own: "ovn",
    net1: "default/net1",
    lan: "default/lan",
  };
  for (const [policy, interfaces] of Object.entries(policies)) {
    const annotations = interfaces === undefined ? {} : { "ovn.kubernetes.io/network_policy_for": interfaces };
    addNetworkPolicy(facts, policy, { podSelector: {}, ingress: [{ from: [{ podSelector: {} }] }] }, annotations);
  }
  const profile = facts.get("profiles", facts.get("pods", "default/a")?.profile ?? "");
  t.equal(profile?.groups.length, 4, "subjects and peers of one policy are one group");
  const { rows, edges } = compile(facts);
  const groupsOf = (port: string) => {
    const row = rows.find(({ columns }) => columns["name"] === port);
    const rowOf = (group: string) => rowUuid("Port_Group", groupId(group));
    const found = profile?.groups.filter((group) =>
      edges.some((edge) => edge.row === rowOf(group) && edge.member === row?.uuid),
    );
    return found?.map((group) => profile?.limited?.[group]?.join() ?? "all").sort();
  };
  t.same(groupsOf("a.default"), ["all", "ovn"]);
  t.same(groupsOf("a.default.net1.default.ovn"), ["all", "net1.default.ovn"]);
});

t.test("security groups and other requests are those of the interface", async (t) => {
  const facts = sample();
  const annotations = {
    [NETWORKS]: "net1",
    "net1.default.ovn.kubernetes.io/security_groups": "sg",
    "net1.default.ovn.kubernetes.io/layer2_forward": "true",
  };
  addPod(facts, "a", { node: "weft-1", annotations });
  const { rows, effects } = compile(facts);
  t.match(rows[0]?.columns, { name: "a.default", addresses: [/ 10\.16\.0\.2 /] });
  t.match(rows[1]?.columns, { addresses: [/ 10\.30\.0\.2$/, "unknown"], external_ids: { security_groups: "sg" } });
  t.notOk(Object.hasOwn(rows[0]?.columns["external_ids"] as object, "security_groups"));
  t.match(effects.at(-1), {
    kind: "report",
    message: /^interface "net1\.default\.ovn": security group "sg" does not exist/,
  });
});

t.test("a default-route gateway that the interface cannot have is reported in an Event", async (t) => {
  const facts = sample();
  const gateways = (list: readonly string[]) => {
    const pod = facts.get("pods", "default/a")!;
    const networks = [{ namespace: "default", name: "net1", interface: "", ips: "", mac: "", gateways: list.join() }];
    facts.set("pods", "default/a", { ...pod, networks });
    return compile(facts).effects.flatMap((effect) => (effect.kind === "report" ? [effect] : []));
  };
  t.same(gateways(["10.30.0.1"]), []);
  t.match(gateways(["fd00::1", "10.31.0.1"]), [
    {
      reason: "InvalidRoute",
      message:
        /^annotation k8s\.v1\.cni\.cncf\.io\/networks, network "default\/net1": default-route .*fd00::1.* is ignored: the interface has no IPv6 address; .*10\.31\.0\.1.* is not in the subnet/,
    },
  ]);
});
