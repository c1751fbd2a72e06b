// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { NODE, providerNetworkLabel } from "../api/annotations.ts";
import { FINALIZER } from "../api/names.ts";
import { conditionsIn } from "../compile/effects.ts";
import { exchangedUplinksOf, labelUplinks, uplinksOf, vlanUplinksOf } from "../compile/node/node-uplinks.ts";
import { addNode, SAMPLE_CLUSTER } from "../compile/testing/sample-facts.ts";
import { encodeNodeContract } from "../contract/node.ts";
import { readUplinks } from "../contract/uplinks.ts";
import type { FactStore } from "../facts/store.ts";
import { DerivedFacts } from "./derived.ts";
import { type ProviderNetworkObject, projectProviderNetwork, providerNetworkKind } from "./provider-network.ts";
import { factStore } from "./store.ts";
import { projectVlan } from "./vlan.ts";

/** The rest of a node's contract. */
const CONTRACT = {
  ...{ mac: "02:00:00:00:00:02", addresses: {}, cidr: {}, gateway: {}, sources: {} },
  ...{ joinSubnet: "join", portName: "node-n1" },
};

function cluster(): FactStore {
  const facts = factStore();
  facts.set("cluster", "cluster", SAMPLE_CLUSTER);
  const derived = new DerivedFacts(facts);
  derived.follow();
  derived.start();
  for (const [i, name] of ["n1", "n2", "n3"].entries()) addNode(facts, name, `172.18.0.1${i}`);
  return facts;
}

function add(facts: FactStore, spec: NonNullable<ProviderNetworkObject["spec"]>, metadata: object = {}): void {
  const object = { metadata: { name: "net", uid: "u", generation: 1, finalizers: [FINALIZER], ...metadata }, spec };
  facts.set("providerNetworks", "net", projectProviderNetwork(object));
}

function label(facts: FactStore, node: string, labels: Readonly<Record<string, string>>): void {
  const fact = facts.get("nodes", node)!;
  facts.set("nodes", node, { ...fact, labels });
}

/** Sets the report of the node's daemon. */
function say(facts: FactStore, node: string, state: object): void {
  const fact = facts.get("nodes", node)!;
  const annotations = { ...fact.annotations, [NODE.uplinks]: JSON.stringify({ net: state }) };
  facts.set("nodes", node, { ...fact, annotations });
}

function condition(facts: FactStore) {
  const { unit } = providerNetworkKind;
  const input = unit!.read(facts, "net");
  return conditionsIn(unit!.compile(input).effects ?? [])[0];
}

const interfaces = (facts: FactStore) =>
  Object.fromEntries(facts.by("providerNodes", "network", "net").map((fact) => [fact.node, fact.interface]));

t.test("nodes are connected by the interface of the network, or by their own", async (t) => {
  const facts = cluster();
  add(facts, { defaultInterface: "eth1", customInterfaces: [{ interface: "eth2", nodes: ["n2", "absent"] }] });
  t.same(interfaces(facts), { n1: "eth1", n2: "eth2", n3: "eth1" });
  add(facts, { defaultInterface: "eth1", excludeNodes: ["n1"] });
  t.same(interfaces(facts), { n2: "eth1", n3: "eth1" });
  add(facts, { defaultInterface: "eth1", excludeNodes: ["n1"], nodeSelector: { matchLabels: { out: "yes" } } });
  t.same(interfaces(facts), {}, "no node has the label");
  label(facts, "n1", { out: "yes" });
  t.same(interfaces(facts), { n1: "eth1" }, "with a selector, the excluded nodes are not considered");
  facts.set("nodes", "n1", undefined);
  t.same(interfaces(facts), {});
});

t.test("the status has the report of each node's daemon, with Kube-OVN's reasons", async (t) => {
  const facts = cluster();
  add(facts, { defaultInterface: "eth1", excludeNodes: ["n3"] });
  facts.set("vlans", "v7", projectVlan({ metadata: { name: "v7", uid: "v" }, spec: { id: 7, provider: "net" } }));
  t.match(condition(facts), {
    ...{ ready: false, reason: "NodesNotReady", message: /^not connected: n1, n2;/ },
    status: { ready: false, readyNodes: [], notReadyNodes: ["n1", "n2"], vlans: ["v7"] },
  });
  say(facts, "n1", { interface: "eth1", mtu: 1500 });
  say(facts, "n2", { reason: "InterfaceNotFound", message: "there is no interface eth1" });
  t.match(condition(facts), {
    status: { readyNodes: ["n1"], notReadyNodes: ["n2"] },
    nodes: [
      { node: "n1", ready: true, reason: "InitOVSBridgeSucceeded" },
      {
        node: "n2",
        ready: false,
        reason: "InitOVSBridgeFailed",
        message: "InterfaceNotFound: there is no interface eth1",
      },
    ],
  });
  say(facts, "n2", { interface: "eth1", mtu: 1500 });
  t.match(condition(facts), { ready: true, reason: "Ready", status: { ready: true, notReadyNodes: [] } });
  add(facts, {
    defaultInterface: "eth1",
    customInterfaces: [{ interface: "eth2", nodes: ["n2"] }],
    excludeNodes: ["n3"],
  });
  t.match(condition(facts), { status: { notReadyNodes: ["n2"] } }, "it has yet to change");
});

t.test("an invalid selector and names of no VLAN sub-interface are reported", async (t) => {
  const facts = cluster();
  add(facts, { defaultInterface: "eth1", nodeSelector: { matchExpressions: [{ key: "a", operator: "Near" }] } });
  t.match(condition(facts), { ready: false, reason: "InvalidNodeSelector", message: /operator "Near"/ });
  const vlanInterfaces = ["eth1.10", "eth1", "eth1.4095"];
  add(facts, { defaultInterface: "eth1", vlanInterfaces, excludeNodes: ["n1", "n2", "n3"] });
  t.match(condition(facts), {
    ready: true,
    reason: "InvalidVlanInterface",
    message: /"eth1", "eth1\.4095": not called/,
  });
});

t.test(
  "VLAN sub-interfaces are created where the network says so and the name is one of a sub-interface",
  async (t) => {
    const facts = cluster();
    const created = (node: string) => vlanUplinksOf(facts.by("providerNodes", "node", node));
    const spec = { defaultInterface: "eth1.100", customInterfaces: [{ interface: "eth1.4095", nodes: ["n2"] }] };
    add(facts, spec);
    t.same(created("n1"), []);
    add(facts, { ...spec, autoCreateVlanSubinterfaces: true });
    t.same([created("n1"), created("n2")], [["net"], []]);
  },
);

t.test("interfaces exchange their names where the network says so", async (t) => {
  const facts = cluster();
  const exchanged = (node: string) => exchangedUplinksOf(facts.by("providerNodes", "node", node));
  add(facts, { defaultInterface: "eth1" });
  t.same(exchanged("n1"), []);
  add(facts, { defaultInterface: "eth1", exchangeLinkName: true, excludeNodes: ["n2"] });
  t.same([exchanged("n1"), interfaces(facts)["n1"]], [["net"], "eth1"]);
});

t.test("an invalid selector disconnects no node", async (t) => {
  const facts = cluster();
  add(facts, { defaultInterface: "eth1", nodeSelector: { matchLabels: { out: "yes" } } });
  label(facts, "n1", { out: "yes" });
  const accept = (node: string): void => {
    const [fact, networks] = [facts.get("nodes", node)!, facts.by("providerNodes", "node", node)];
    const contract = encodeNodeContract({ ...CONTRACT, uplinks: uplinksOf(fact, networks) ?? {} });
    const annotations = { ...fact.annotations, [NODE.contract]: contract[NODE.contract] ?? "" };
    facts.set("nodes", node, { ...fact, annotations });
  };
  for (const node of ["n1", "n2"]) accept(node);
  t.same(interfaces(facts), { n1: "eth1" });
  add(facts, { defaultInterface: "eth1", nodeSelector: { matchLabels: { out: "not a value" } } });
  t.same(interfaces(facts), { n1: "eth1" }, "it stays connected, and no other node is");
  t.match(condition(facts), { ready: false, reason: "InvalidNodeSelector", message: /stay connected/ });
  accept("n1");
  t.same(interfaces(facts), { n1: "eth1" });
  add(facts, { defaultInterface: "eth1", nodeSelector: { matchLabels: { out: "no" } } });
  t.same(interfaces(facts), {}, "a valid selector without the node disconnects it");
});

t.test("a deleted network stays until its Vlans are deleted, and nodes are disconnected then", async (t) => {
  const facts = cluster();
  const spec = { defaultInterface: "eth1" };
  facts.set("vlans", "v7", projectVlan({ metadata: { name: "v7", uid: "v" }, spec: { id: 7, provider: "net" } }));
  add(facts, spec, { deletionTimestamp: "2026-01-01T00:00:00Z" });
  t.match(condition(facts), { reason: "InUse", message: /v7/ });
  t.equal(facts.by("providerNodes", "network", "net").length, 3);
  facts.set("vlans", "v7", undefined);
  t.equal(facts.by("providerNodes", "network", "net").length, 0);
  const input = providerNetworkKind.unit!.read(facts, "net");
  t.match(providerNetworkKind.unit!.compile(input).effects, [{ kind: "fill", finalizer: false }]);
});

t.test("a node's contract and labels follow the networks", async (t) => {
  const facts = cluster();
  const of = (node: string) => [facts.get("nodes", node)!, facts.by("providerNodes", "node", node)] as const;
  t.equal(uplinksOf(...of("n1")), undefined, "nothing is said where there never was a network");
  t.same(labelUplinks(...of("n1")), []);
  add(facts, { defaultInterface: "sixteen-letters-" });
  t.same(uplinksOf(...of("n1")), {}, "the daemon would not read such a name, nor anything else of its contract");
  const [fact] = facts.by("providerNodes", "node", "n1");
  const many = Array.from({ length: 80 }, (_, i) => ({ ...fact!, network: `net${i}`, interface: "eth1" }));
  t.doesNotThrow(() => readUplinks(uplinksOf(of("n1")[0], many)), "nor of too many networks");
  add(facts, { defaultInterface: "eth1", excludeNodes: ["n2"] });
  t.same(uplinksOf(...of("n1")), { net: "eth1" });
  t.same(labelUplinks(...of("n1")), []);
  const labelled = (node: string) => labelUplinks(...of(node))[0]?.body.metadata.labels;
  const key = (name: Parameters<typeof providerNetworkLabel>[1]) => providerNetworkLabel("net", name);
  t.same(labelled("n2"), { [key("exclude")]: "true" });
  say(facts, "n1", { interface: "eth1", mtu: 1500 });
  t.same(labelled("n1"), { [key("ready")]: "true", [key("interface")]: "eth1", [key("mtu")]: "1500" });
  label(facts, "n1", { [key("ready")]: "true", [key("interface")]: "eth1", [key("mtu")]: "1500", other: "x" });
  t.equal(labelled("n1"), undefined);
  facts.set("providerNetworks", "net", undefined);
  t.same(labelled("n1"), { [key("ready")]: null, [key("interface")]: null, [key("mtu")]: null });
  const annotations = encodeNodeContract({ ...CONTRACT, uplinks: { net: "eth1" } });
  const told = Object.fromEntries(Object.entries(annotations).flatMap(([name, text]) => (text ? [[name, text]] : [])));
  facts.set("nodes", "n1", { ...facts.get("nodes", "n1")!, annotations: told });
  t.same(uplinksOf(...of("n1")), {}, "a node that was told of one is told that there is none");
});
