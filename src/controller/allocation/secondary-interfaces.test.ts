// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { podPortName } from "../../api/port-names.ts";
import {
  addIp,
  addNetwork,
  addNode,
  addPod,
  addSubnet,
  NETWORK_CONFIG,
  sampleFacts,
} from "../../compile/testing/sample-facts.ts";
import type { FactStore } from "../../facts/store.ts";
import { rig } from "../testing/allocator-rig.ts";

const NETWORKS = "k8s.v1.cni.cncf.io/networks";

/** The sample cluster with a network of each kind, `net1` on OVN and `lan` of macvlan's, and a subnet for each. */
function networks(): FactStore {
  const facts = sampleFacts();
  addNetwork(facts, "net1", NETWORK_CONFIG.ovn("net1"));
  addNetwork(facts, "lan", NETWORK_CONFIG.ipam("lan"));
  addSubnet(facts, "net1", { cidrBlock: "10.30.0.0/24", provider: "net1.default.ovn" });
  addSubnet(facts, "lan", { cidrBlock: "10.31.0.0/24", provider: "lan.default" });
  return facts;
}

const naming = (value: string, more: Record<string, string> = {}) => ({
  node: "weft-1",
  annotations: { [NETWORKS]: value, ...more },
});

t.test("each interface of a pod gets its own address, of a subnet with its provider", async (t) => {
  const { allocator, facts, records, refused } = rig(networks());
  allocator.start();
  addPod(facts, "b", naming("net1,lan"));
  t.same([...records.keys()].sort(), ["b.default", "b.default.lan.default", "b.default.net1.default.ovn"]);
  t.match(records.get("b.default")?.lease, { subnet: "ovn-default" });
  t.match(records.get("b.default.net1.default.ovn")?.lease, { subnet: "net1", v4: "10.30.0.2", mac: String });
  t.match(records.get("b.default.lan.default")?.lease, { subnet: "lan", v4: "10.31.0.2", mac: undefined });
  t.same(refused, []);
});

t.test(
  "an address that another plugin's interface has stays its own when its record is deleted, also while its subnet is closed",
  async (t) => {
    const { allocator, facts, records, ipam, write } = rig(networks());
    allocator.start();
    const told = { allocated: "true", ip_address: "10.31.0.2", logical_switch: "lan" };
    const annotations = Object.entries(told).map(([key, value]) => [`lan.default.kubernetes.io/${key}`, value]);
    addPod(facts, "b", naming("lan", Object.fromEntries(annotations)));
    write("b.default.lan.default");
    const verdict = facts.get("verdicts", "lan");
    facts.set("verdicts", "lan", { key: "lan", ok: false, reason: "Deleting", message: "" });
    facts.set("ips", "b.default.lan.default", undefined);
    t.equal(ipam.holderOf("lan", "10.31.0.2"), "b.default.lan.default");
    facts.set("verdicts", "lan", verdict);
    t.match(records.get("b.default.lan.default")?.lease, { subnet: "lan", v4: "10.31.0.2" });
    write("b.default.lan.default");
    facts.set("pods", "default/b", undefined);
    facts.set("ips", "b.default.lan.default", undefined);
    t.equal(ipam.holderOf("lan", "10.31.0.2"), undefined, "and is free when the pod is gone");
  },
);

t.test("a pod waits for the address of its secondary interface, and has its primary interface meanwhile", async (t) => {
  const { allocator, facts, records, refused, said } = rig();
  allocator.start();
  addPod(facts, "b", naming("net1"));
  t.ok(records.has("b.default"));
  t.same(refused, ["default/b NetworkUnknown"]);
  t.match(
    said.at(-1),
    /^Interface "default\/net1": NetworkAttachmentDefinition "default\/net1", which the pod names, does not exist.*create it/,
  );
  addNetwork(facts, "net1", "{");
  t.match(said.at(-1), /spec\.config is not valid JSON/);
  addNetwork(facts, "net1", NETWORK_CONFIG.ovn("net1"));
  t.match(said.at(-1), /^Interface "net1\.default\.ovn": No subnet has the provider "net1\.default\.ovn"/);
  addSubnet(facts, "net1", { cidrBlock: "10.30.0.0/30", provider: "net1.default.ovn" });
  t.equal(records.get("b.default.net1.default.ovn")?.lease.v4, "10.30.0.2");
  addPod(facts, "c", naming("net1"));
  t.equal(refused.at(-1), "default/c NoAvailableAddress");
  facts.set("pods", "default/b", undefined);
  t.equal(records.get("c.default.net1.default.ovn")?.lease.v4, "10.30.0.2", "the address that has come free");
  t.equal(allocator.waiting, 0);
  t.equal(refused.length, 4, "nothing is said twice");
});

t.test("requests are those of the interface's own annotations, or of the list of networks", async (t) => {
  const { allocator, facts, records, refused } = rig(networks());
  addSubnet(facts, "roomy", { cidrBlock: "10.32.0.0/24" });
  allocator.start();
  const lease = (pod: string, network = "net1.default.ovn") => records.get(`${pod}.default.${network}`)?.lease;
  addPod(facts, "b", naming("net1", { "net1.default.ovn.kubernetes.io/ip_address": "10.30.0.9" }));
  t.match(lease("b"), { v4: "10.30.0.9" });
  t.not(records.get("b.default")?.lease.v4, "10.30.0.9");
  const listed = { name: "net1", ips: ["10.30.0.10/24"], mac: "02:00:00:00:00:10" };
  addPod(facts, "c", naming(JSON.stringify([listed])));
  t.match(lease("c"), { v4: "10.30.0.10", mac: "02:00:00:00:00:10" });
  addPod(facts, "d", naming("net1@eth1", { "net1.default.kubernetes.io/ip_address.eth1": "10.30.0.11" }));
  t.match(lease("d"), { v4: "10.30.0.11" });
  addPod(facts, "e", naming("net1", { "net1.default.ovn.kubernetes.io/logical_switch": "roomy" }));
  t.match(lease("e"), { subnet: "roomy" });
  addPod(facts, "f", naming("lan", { "lan.default.kubernetes.io/ip_pool": "10.31.0.7,10.31.0.8" }));
  t.match(lease("f", "lan.default"), { v4: "10.31.0.7" });
  t.same(refused, []);
  addPod(facts, "g", naming("lan", { "lan.default.kubernetes.io/logical_switch": "roomy" }));
  addPod(facts, "h", naming("net1", { "net1.default.ovn.kubernetes.io/logical_switch": "lan" }));
  addPod(facts, "i", naming("net1", { "net1.default.ovn.kubernetes.io/ip_address": "10.30.0.9" }));
  addPod(facts, "j", naming("net1", { "net1.default.ovn.kubernetes.io/ip_adress": "10.30.0.9" }));
  t.same(refused, [
    "default/g SubnetNotReady",
    "default/h SubnetNotReady",
    "default/i AddressInUse",
    "default/j AnnotationUnknown",
  ]);
});

t.test("a network that is named several times is several interfaces, if they can be distinguished", async (t) => {
  const { allocator, facts, records, refused, said } = rig(networks());
  allocator.start();
  addPod(facts, "b", naming("net1@eth1,net1@eth2"));
  t.ok(records.has("b.default.net1.default.ovn.eth1"));
  t.equal(records.get("b.default.net1.default.ovn.eth2")?.lease.subnet, "net1");
  addPod(facts, "c", naming("net1,net1,lan@a,lan@b,net1@E_1,net1@net2"));
  t.match([...records.keys()].filter((name) => name.startsWith("c.")).sort(), [
    "c.default",
    // Such a name may be that of another interface, so it has a digest.
    /^c\.default\.lan\.default\.a-x/,
    /^c\.default\.lan\.default\.b-x/,
    "c.default.net1.default.ovn.net1",
    "c.default.net1.default.ovn.net2",
  ]);
  t.same(refused, ["default/c NetworkUnclear", "default/c NetworkUnclear"]);
  t.match(said[0], /has an interface name "E_1".*lower-case letters/);
  t.match(said[1], /named more than once with the same interface name; give each an "interface" of its own/);
});

t.test("a malformed networks annotation removes none of a pod's interfaces", async (t) => {
  const { allocator, facts, records, refused, said, write } = rig(networks());
  allocator.start();
  addPod(facts, "b", naming("net1"));
  write("b.default");
  write("b.default.net1.default.ovn");
  addPod(facts, "b", naming("net1,,"));
  t.same(refused, ["default/b NetworkUnclear"]);
  t.match(
    said[0],
    /^Interface "networks": Annotation k8s\.v1\.cni\.cncf\.io\/networks \(net1,,\) has "", which is not a valid name/,
  );
  t.same([...records.keys()], [], "nothing is decided anew");
});

t.test("the address of an interface that is removed before it was recorded is free", async (t) => {
  const { allocator, facts, ipam, records } = rig(networks());
  allocator.start();
  addPod(facts, "b", naming("net1,lan"));
  addPod(facts, "b", naming("lan"));
  t.same([...records.keys()].sort(), ["b.default", "b.default.lan.default"]);
  t.equal(ipam.usage("net1").v4?.using, 0n);
  t.equal(ipam.usage("lan").v4?.using, 1n);
  facts.set("pods", "default/b", undefined);
  t.equal(ipam.usage("lan").v4?.using, 0n);
  t.equal(records.size, 0);
});

t.test("a leader starts from records, ports and annotations of every interface", async (t) => {
  const facts = networks();
  const told = (provider: string, address: string, subnet: string) => ({
    [`${provider}.kubernetes.io/allocated`]: "true",
    [`${provider}.kubernetes.io/ip_address`]: address,
    [`${provider}.kubernetes.io/logical_switch`]: subnet,
  });
  addPod(facts, "b", naming("lan,net1", told("lan.default", "10.31.0.2", "lan")));
  const port = {
    name: "b.default.net1.default.ovn",
    subnet: "net1",
    mac: "02:00:00:00:00:01",
    v4: "10.30.0.2",
    v6: "",
  };
  const { allocator, records, restored } = rig(facts, [port]);
  allocator.start();
  t.match(records.get("b.default.lan.default")?.lease, { v4: "10.31.0.2" });
  t.match(records.get("b.default.net1.default.ovn")?.lease, { v4: "10.30.0.2", mac: "02:00:00:00:00:01" });
  t.equal(restored.length, 2);
  addPod(facts, "c", naming("lan,net1"));
  t.match(records.get("c.default.lan.default")?.lease, { v4: "10.31.0.3" });
});

t.test("two interfaces whose names would be equal get different names, and both are served", async (t) => {
  const facts = networks();
  const { allocator, records, refused, write } = rig(facts);
  allocator.start();
  addPod(facts, "b", naming("net1"));
  write("b.default.net1.default.ovn");
  // A pod called `b.default.net1.default` in a namespace `ovn`.
  const pod = facts.get("pods", "default/b");
  const key = "ovn/b.default.net1.default";
  facts.set("namespaces", "ovn", { key: "ovn", name: "ovn", uid: "ovn", labels: {}, annotations: {} });
  if (pod !== undefined) {
    const { networks: _, ...rest } = pod;
    facts.set("pods", key, { ...rest, key, holder: key, namespace: "ovn", name: "b.default.net1.default", uid: "u2" });
  }
  t.same(refused, []);
  const own = podPortName("b.default.net1.default", "ovn");
  t.not(own, "b.default.net1.default.ovn");
  t.same([...records.keys()], ["b.default", own]);
});

t.test("a record with the name of another one's is reported as a conflict until it is deleted", async (t) => {
  const facts = networks();
  const { allocator, records, refused, write } = rig(facts);
  allocator.start();
  const reservation = { podName: "other", nodeName: "", subnet: "ovn-default", v4: "10.16.0.77", v6: "" };
  addIp(facts, "b.default", { ...reservation, namespace: "other" });
  addPod(facts, "b", naming("net1"));
  addIp(facts, "node-n9", { ...reservation, v4: "10.16.0.78", namespace: "other" });
  addNode(facts, "n9", "172.18.0.99");
  t.same(refused, ["default/b NameTaken", "n9 NameTaken"]);
  t.same([...records.keys()], ["b.default.net1.default.ovn"], "its other interfaces do not wait");
  facts.set("ips", "b.default", undefined);
  facts.set("ips", "node-n9", undefined);
  write("b.default");
  t.match(facts.get("ips", "b.default"), { holder: "default/b" });
  t.ok(records.get("node-n9"));
});

t.test("a subnet without addresses allocates MACs for both kinds", async (t) => {
  const facts = sampleFacts();
  addNetwork(facts, "net1", NETWORK_CONFIG.ovn("net1"));
  addNetwork(facts, "lan", NETWORK_CONFIG.ipam("lan"));
  addSubnet(facts, "net1", { provider: "net1.default.ovn", vlan: "v100" });
  addSubnet(facts, "lan", { provider: "lan.default", vlan: "v100" });
  const { allocator, records, refused } = rig(facts);
  allocator.start();
  addPod(facts, "b", naming("net1,lan"));
  for (const network of ["net1.default.ovn", "lan.default"])
    t.match(records.get(`b.default.${network}`)?.lease, { mac: String, v4: undefined, v6: undefined });
  t.same(refused, []);
});

t.test(
  "the address kept for a StatefulSet's pod is kept when the subnet gets another family, which is added",
  async (t) => {
    const { allocator, facts, records, discarded, write } = rig(networks());
    allocator.start();
    addPod(facts, "b", naming("net1"));
    const name = "b.default.net1.default.ovn";
    write(name);
    const ip = facts.get("ips", name);
    addSubnet(facts, "net1", { cidrBlock: "10.30.0.0/24,fd00:30::/120", provider: "net1.default.ovn" });
    if (ip) facts.set("ips", name, { ...ip, podUid: "its-predecessor", podType: "VirtualMachine" });
    t.same(discarded, []);
    t.match(records.get(name), { takeOver: { name }, lease: { v4: ip?.v4, v6: "fd00:30::2", mac: ip?.mac } });
  },
);
