// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import {
  addIp,
  addNetwork,
  addPod,
  addSubnet,
  NETWORK_CONFIG,
  sampleFacts,
} from "../../compile/testing/sample-facts.ts";
import { stableMac } from "../../desired/identity.ts";
import type { PodFact } from "../../facts/pod.ts";
import { projectVip } from "../../kinds/vip.ts";
import { rig } from "../testing/allocator-rig.ts";

/** A pod recreated with the same name, with a retained record, that requests an address that does not exist. */
function successor(owner: { readonly kind: string; readonly holder: string }) {
  const facts = sampleFacts();
  const [, podName = ""] = owner.holder.split("/");
  const name = `${podName}.default`;
  addIp(facts, name, {
    podName,
    namespace: "default",
    nodeName: "weft-1",
    subnet: "ovn-default",
    v4: "10.16.0.9",
    v6: "",
  });
  const ip = facts.get("ips", name);
  if (ip) facts.set("ips", name, { ...ip, podUid: "an-earlier-uid", podType: owner.kind });
  const made = rig(facts);
  const place = (pod: Partial<PodFact>): void => {
    const sample = facts.get("pods", "default/a") as PodFact;
    const key = "default/pod-7";
    facts.set("pods", key, { ...sample, key, name: "pod-7", uid: "uid-7", holder: owner.holder, ...pod });
  };
  return { ...made, place, name };
}

t.test(
  "an address that a StatefulSet keeps is released when it is scaled down, although its pod cannot have it",
  async (t) => {
    const { facts, allocator, place, name, refused, discarded } = successor({
      kind: "StatefulSet",
      holder: "default/web-1",
    });
    const set = { key: "default/web", start: 0, deleting: false };
    facts.set("statefulSets", "default/web", { ...set, replicas: 2 });
    allocator.start();
    place({ annotations: { "ovn.kubernetes.io/ip_pool": "nowhere" } });
    t.same(refused, ["default/pod-7 PoolUnknown"]);
    t.same(discarded, [], "another successor gets it");
    facts.set("statefulSets", "default/web", { ...set, replicas: 1 });
    t.same(discarded, [name]);
  },
);

t.test("a virtual machine's address is released when the virtual machine is deleted", async (t) => {
  const { facts, allocator, place, name, refused, discarded } = successor({
    kind: "VirtualMachine",
    holder: "default/vm",
  });
  facts.set("virtualMachines", "default/vm", { key: "default/vm", deleting: false });
  allocator.start();
  place({ annotations: { "ovn.kubernetes.io/ip_pool": "nowhere" } });
  t.same(refused, ["default/pod-7 PoolUnknown"]);
  t.same(discarded, []);
  facts.set("virtualMachines", "default/vm", undefined);
  t.same(discarded, [name]);
});

t.test("the list of subnets in a Vip's condition is kept up to date", async (t) => {
  const facts = sampleFacts();
  const { allocator, refused } = rig(facts);
  allocator.start();
  facts.set("vips", "v", projectVip({ metadata: { name: "v", uid: "v" }, spec: { subnet: "none" } }));
  t.match(facts.get("verdicts", "vip/v")?.message, /choose one of: "join" and "ovn-default"/);
  addSubnet(facts, "another", { cidrBlock: "10.29.0.0/24" });
  t.match(facts.get("verdicts", "vip/v")?.message, /choose one of: "another", "join" and "ovn-default"/);
  t.same(refused, ["v SubnetUnknown"], "the Event is not repeated");
});

t.test("a pod that requests a MAC of another subnet of its VPC gets it when that is released", async (t) => {
  const facts = sampleFacts();
  addSubnet(facts, "other", { cidrBlock: "10.29.0.0/24" });
  const { allocator, records, refused } = rig(facts);
  allocator.start();
  const mac = facts.get("ips", "a.default")?.mac ?? "";
  const annotations = { "ovn.kubernetes.io/logical_switch": "other", "ovn.kubernetes.io/mac_address": mac };
  addPod(facts, "b", { node: "weft-1", annotations });
  t.same(refused, ["default/b MacInUse"]);
  facts.set("pods", "default/a", undefined);
  facts.set("ips", "a.default", undefined);
  t.match(records.get("b.default")?.lease, { subnet: "other", mac });
});

t.test("a pod that requests the MAC of a subnet's gateway gets it when that subnet is deleted", async (t) => {
  const facts = sampleFacts();
  addSubnet(facts, "other", { cidrBlock: "10.29.0.0/24" });
  const { allocator, records, refused } = rig(facts);
  allocator.start();
  const mac = stableMac("ovn-cluster-other");
  addPod(facts, "b", { node: "weft-1", annotations: { "ovn.kubernetes.io/mac_address": mac } });
  t.same(refused, ["default/b MacInUse"]);
  facts.set("subnets", "other", undefined);
  t.match(records.get("b.default")?.lease, { subnet: "ovn-default", mac });
});

t.test(
  "a pod that requests an interface of an unsupported type gets no address until it requests a supported one",
  async (t) => {
    const facts = sampleFacts();
    const { allocator, records, refused } = rig(facts);
    allocator.start();
    for (const type of ["internal-port", "dpdk-port", "offload-port", "sriov", "nonsense"]) {
      addPod(facts, type, { node: "weft-1", annotations: { "ovn.kubernetes.io/pod_nic_type": type } });
      t.equal(records.get(`${type}.default`), undefined, type);
      t.ok(refused.includes(`default/${type} InterfaceNotSupported`), type);
      addPod(facts, type, { node: "weft-1", annotations: { "ovn.kubernetes.io/pod_nic_type": "veth-pair" } });
      t.ok(records.get(`${type}.default`), `${type} no more`);
    }
  },
);

t.test("an interface that would be a device gets no address, but the pod's other interfaces do", async (t) => {
  const facts = sampleFacts();
  addSubnet(facts, "net1", { cidrBlock: "10.30.0.0/24", provider: "net1.default.ovn" });
  addNetwork(facts, "net1", { ...NETWORK_CONFIG.ovn("net1"), vhost_user_socket_volume_name: "sockets" });
  const { allocator, records, refused } = rig(facts);
  allocator.start();
  addPod(facts, "b", { node: "weft-1", annotations: { "k8s.v1.cni.cncf.io/networks": "net1" } });
  t.ok(records.get("b.default"));
  t.equal(records.get("b.default.net1.default.ovn"), undefined);
  t.same(refused, ["default/b InterfaceNotSupported"]);
  addNetwork(facts, "net1", NETWORK_CONFIG.ovn("net1"));
  t.ok(records.get("b.default.net1.default.ovn"));
});
