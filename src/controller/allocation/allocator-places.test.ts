// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { conditionsIn } from "../../compile/effects.ts";
import { subnetUnit } from "../../compile/subnet/subnet.ts";
import {
  addNetwork,
  addPod,
  addSubnet,
  addVpc,
  NETWORK_CONFIG,
  sampleFacts,
} from "../../compile/testing/sample-facts.ts";
import { stableMac } from "../../desired/identity.ts";
import type { PodFact } from "../../facts/pod.ts";
import { projectIp } from "../../facts/project-ip.ts";
import { projectSubnet } from "../../facts/project-subnet.ts";
import type { FactStore } from "../../facts/store.ts";
import { DerivedFacts } from "../../kinds/derived.ts";
import { projectIpPool } from "../../kinds/ippool.ts";
import { projectVip } from "../../kinds/vip.ts";
import { rig } from "../testing/allocator-rig.ts";

function addPool(
  facts: FactStore,
  name: string,
  ips: string[],
  created: string,
  { subnet = "ovn-default", namespaces = [] }: { readonly subnet?: string; readonly namespaces?: string[] } = {},
): void {
  const metadata = { name, uid: name, creationTimestamp: created };
  facts.set("ipPools", name, projectIpPool({ metadata, spec: { subnet, ips, namespaces } }));
}

t.test(
  "a pod of a VPC's namespace gets an address of the VPC's default subnet, then of those bound to the namespace",
  async (t) => {
    const facts = sampleFacts();
    addVpc(facts, "team", { namespaces: ["default"], defaultSubnet: "team-first" });
    const { allocator, records, refused, said } = rig(facts);
    allocator.start();
    addPod(facts, "early", { node: "weft-1" });
    t.same(refused, ["default/early SubnetUnknown"], "not into the default VPC while its own subnet is to come");
    t.match(said, [/belongs to VPC "team".*spec\.defaultSubnet "team-first" is not a subnet of that VPC; create it/]);
    addSubnet(facts, "team-first", { vpc: "team", cidrBlock: "10.30.0.0/30" });
    t.match(records.get("early.default")?.lease, { subnet: "team-first", v4: "10.30.0.2" });
    addSubnet(facts, "bound", { vpc: "team", cidrBlock: "10.31.0.0/24", namespaces: ["default"] });
    addPod(facts, "late", { node: "weft-1" });
    t.match(records.get("late.default")?.lease, { subnet: "bound", v4: "10.31.0.2" }, "the first has no room");
  },
);

t.test("a VPC's subnet with spec.default is its default subnet if none is named", async (t) => {
  const facts = sampleFacts();
  addVpc(facts, "team", { namespaces: ["default"] });
  const { allocator, records } = rig(facts);
  allocator.start();
  addPod(facts, "b", { node: "weft-1" });
  t.equal(records.get("b.default"), undefined, "without any it waits");
  addSubnet(facts, "theirs", { vpc: "team", cidrBlock: "10.30.0.0/24", default: true });
  addPod(facts, "c", { node: "weft-1" });
  t.equal(records.get("c.default")?.lease.subnet, "theirs");
});

t.test("a pod waits for its subnet while that is not ready", async (t) => {
  const facts = sampleFacts();
  addSubnet(facts, "meant", { cidrBlock: "10.16.9.0/24", namespaces: ["default"] }, { creationTimestamp: "2026" });
  const { allocator, records, said } = rig(facts);
  allocator.start();
  addPod(facts, "b", { node: "weft-1" });
  t.match(said, [/^Subnet "meant" is not ready, or is being deleted; see its conditions, or name another subnet\.$/]);
  addSubnet(facts, "meant", { cidrBlock: "10.29.0.0/24", namespaces: ["default"] }, { creationTimestamp: "2026" });
  t.match(records.get("b.default")?.lease, { subnet: "meant", v4: "10.29.0.2" });
});

t.test("only nodes get addresses of the nodes' subnet, because such an address identifies a node", async (t) => {
  const facts = sampleFacts();
  const { allocator, records, said } = rig(facts);
  allocator.start();
  addPod(facts, "b", { node: "weft-1", annotations: { "ovn.kubernetes.io/logical_switch": "join" } });
  t.match(said, [/^Subnet "join" is reserved for nodes; name another subnet\.$/]);
  t.equal(records.get("b.default"), undefined);
});

t.test(
  "a subnet of another provider allocates nothing to a pod's primary interface, and has no switch if it is not OVN's",
  async (t) => {
    const facts = sampleFacts();
    addSubnet(facts, "macvlan", { cidrBlock: "10.28.0.0/24", provider: "net.default", namespaces: ["default"] });
    const { allocator, records, said } = rig(facts);
    allocator.start();
    addPod(facts, "b", { node: "weft-1" });
    t.equal(records.get("b.default")?.lease.subnet, "ovn-default", "it is not one of the namespace's");
    addPod(facts, "c", { node: "weft-1", annotations: { "ovn.kubernetes.io/logical_switch": "macvlan" } });
    t.match(said, [
      /^Subnet "macvlan" is for secondary interfaces \(provider "net\.default"\).*name a subnet of provider "ovn"\.$/,
    ]);
    const input = subnetUnit.read(facts, "macvlan");
    const fragment = input && subnetUnit.compile(input);
    t.same(fragment?.rows, []);
    t.match(conditionsIn(fragment?.effects ?? [])[0], { ready: true, reason: "Ready", message: "" });
  },
);

t.test(
  "a subnet with a vlan and without addresses allocates MACs, each to one holder on the same network",
  async (t) => {
    const facts = sampleFacts();
    addSubnet(facts, "l2", { vlan: "v100" });
    addSubnet(facts, "l2-too", { vlan: "v100" });
    const { allocator, records, said } = rig(facts);
    allocator.start();
    const wish = (subnet: string) => ({
      "ovn.kubernetes.io/logical_switch": subnet,
      "ovn.kubernetes.io/mac_address": "02:00:00:00:77:01",
    });
    addPod(facts, "b", { node: "weft-1", annotations: wish("l2") });
    t.match(records.get("b.default")?.lease, { mac: "02:00:00:00:77:01", v4: undefined, v6: undefined });
    addPod(facts, "c", { node: "weft-1", annotations: wish("l2-too") });
    t.match(said, [/02:00:00:00:77:01 is in use by IP "b\.default"/]);
    const fixed = { ...wish("l2"), "ovn.kubernetes.io/ip_address": "10.0.0.5" };
    addPod(facts, "d", { node: "weft-1", annotations: fixed });
    t.match(said.at(-1), /has no cidrBlock.*do not request an IP address/);
    const input = subnetUnit.read(facts, "l2");
    const state = input && conditionsIn(subnetUnit.compile(input).effects)[0];
    t.match(state, { ready: false, reason: "NoProviderNetwork", message: /MAC addresses.*spec\.vlan "v100"/ });
  },
);

t.test(
  "of a thousand claims that wait for one address only one is tried, and none that waits for another subnet",
  async (t) => {
    const facts = sampleFacts();
    addSubnet(facts, "small", { cidrBlock: "10.29.0.0/30", namespaces: ["default"] });
    addSubnet(facts, "other", { cidrBlock: "10.29.1.0/30" });
    const { allocator, records, ipam, write } = rig(facts);
    allocator.start();
    const elsewhere = { "ovn.kubernetes.io/logical_switch": "other" };
    addPod(facts, "first", { node: "weft-1" });
    addPod(facts, "far", { node: "weft-1", annotations: elsewhere });
    write("first.default");
    write("far.default");
    for (let i = 0; i < 1000; i++) addPod(facts, `w${i}`, { node: "weft-1" });
    addPod(facts, "x", { node: "weft-1", annotations: elsewhere });
    t.equal(allocator.waiting, 1001);
    let asked = 0;
    const allocate = ipam.allocate.bind(ipam);
    ipam.allocate = (request) => {
      asked++;
      return allocate(request);
    };
    facts.set("pods", "default/first", undefined);
    facts.set("ips", "first.default", undefined);
    t.equal(records.get("w0.default")?.lease.v4, "10.29.0.2", "the one that has waited longest");
    t.equal(allocator.waiting, 1000);
    t.equal(asked, 2, "the one that got it, and the next");
  },
);

t.test("a pod that waits for a subnet that grows is served, without an Event about the change", async (t) => {
  const facts = sampleFacts();
  const derived = new DerivedFacts(facts);
  derived.follow();
  derived.start();
  const grow = (cidrBlock: string): unknown => {
    const spec = { cidrBlock, gateway: "10.29.0.1", namespaces: ["default"] };
    return facts.set("subnetSpecs", "small", projectSubnet({ metadata: { name: "small", uid: "s" }, spec }));
  };
  grow("10.29.0.0/30");
  const { allocator, records, refused, write } = rig(facts);
  allocator.start();
  addPod(facts, "first", { node: "weft-1" });
  write("first.default");
  addPod(facts, "second", { node: "weft-1" });
  addPod(facts, "third", { node: "weft-1" });
  t.same(refused, ["default/second NoAvailableAddress", "default/third NoAvailableAddress"]);
  grow("10.29.0.0/29");
  t.equal(records.get("second.default")?.lease.v4, "10.29.0.3");
  t.equal(records.get("third.default")?.lease.v4, "10.29.0.4");
  t.equal(refused.length, 2, refused.join());
});

t.test("an address that is being recorded is not left outside of its subnet's range", async (t) => {
  const facts = sampleFacts();
  const { allocator, records, write, usageListeners } = rig(facts);
  const derived = new DerivedFacts(facts, (subnet) => allocator.recordingIn(subnet));
  derived.follow();
  derived.start();
  usageListeners.push((subnet) => derived.reconsider([subnet]));
  const change = (cidrBlock: string): void => {
    const spec = { cidrBlock, gateway: "10.29.0.1", excludeIps: ["10.29.0.2..10.29.0.8"], namespaces: ["default"] };
    facts.set("subnetSpecs", "small", projectSubnet({ metadata: { name: "small", uid: "s" }, spec }));
  };
  const range = (): string | undefined => facts.get("subnets", "small")?.cidr.v4;
  change("10.29.0.0/28");
  allocator.start();
  addPod(facts, "first", { node: "weft-1" });
  addPod(facts, "second", { node: "weft-1" });
  t.equal(records.get("first.default")?.lease.v4, "10.29.0.9");
  change("10.29.0.0/29");
  t.equal(range(), "10.29.0.0/28");
  t.match(facts.get("verdicts", "small")?.refused, {
    reason: "AddressesInUse",
    message: /does not contain 10\.29\.0\.9, which is in use by IP first\.default \(and 1 more/,
  });
  write("first.default");
  t.match(
    facts.get("verdicts", "small")?.refused?.message,
    /in use by IP first\.default \(and 1 more/,
    "each counts once",
  );
  facts.set("pods", "default/second", undefined);
  t.match(facts.get("verdicts", "small")?.refused?.message, /in use by IP first\.default; choose/);
  facts.set("ips", "first.default", undefined);
  facts.set("pods", "default/first", undefined);
  t.equal(range(), "10.29.0.0/29", "once no object has such an address");
});

t.test("labels added to a namespace bind it to a subnet", async (t) => {
  const facts = sampleFacts();
  addSubnet(facts, "gold", { cidrBlock: "10.29.0.0/24", namespaceSelectors: [{ matchLabels: { tier: "gold" } }] });
  const { allocator, records } = rig(facts);
  allocator.start();
  const namespace = facts.get("namespaces", "default");
  if (namespace) facts.set("namespaces", "default", { ...namespace, labels: { tier: "gold" } });
  addPod(facts, "b", { node: "weft-1" });
  t.equal(records.get("b.default")?.lease.subnet, "gold");
});

t.test("no object gets the MAC of a router's port, in any subnet of the VPC", async (t) => {
  const facts = sampleFacts();
  addSubnet(facts, "other", { cidrBlock: "10.29.0.0/24" });
  const { allocator, said } = rig(facts);
  allocator.start();
  const mac = stableMac("ovn-cluster-ovn-default");
  const annotations = { "ovn.kubernetes.io/mac_address": mac, "ovn.kubernetes.io/logical_switch": "other" };
  addPod(facts, "b", { node: "weft-1", annotations });
  t.match(said, [
    /is in use by the gateway of subnet "ovn-default".*choose another one, or remove the annotation to get a new one/,
  ]);
});

t.test("pods of a VPC's namespace without a subnet wait, and get no address of the default VPC", async (t) => {
  const facts = sampleFacts();
  addVpc(facts, "team", { namespaces: ["default"] });
  addSubnet(facts, "unbound", { cidrBlock: "10.40.0.0/24", vpc: "team" });
  const { allocator, records, said } = rig(facts);
  allocator.start();
  addPod(facts, "b", { node: "weft-1" });
  t.equal(records.get("b.default"), undefined);
  t.match(said, [
    'Namespace "default" belongs to VPC "team" (spec.namespaces), which has no subnet for it; set spec.defaultSubnet of the VPC, or add the namespace to spec.namespaces of a subnet.',
  ]);
  addVpc(facts, "team", { namespaces: ["default"], defaultSubnet: "unbound" });
  t.match(records.get("b.default")?.lease, { subnet: "unbound" });
});

t.test("two pods with the same MAC that are now in one network are reported", async (t) => {
  const facts = sampleFacts();
  for (const [name, podName] of [
    ["one", "a"],
    ["two", "b"],
  ] as const) {
    addSubnet(facts, name, { cidrBlock: `10.4${name.length}.${podName === "a" ? 1 : 2}.0/24`, vlan: name });
    const metadata = { name: `${podName}.default`, uid: `uid-${podName}`, creationTimestamp: podName };
    const spec = { podName, namespace: "default", subnet: name, nodeName: "weft-1", macAddress: "02:00:00:00:00:09" };
    facts.set("ips", `${podName}.default`, projectIp({ metadata, spec }));
  }
  const { allocator, conflicting } = rig(facts);
  allocator.start();
  t.same(conflicting, []);
  addSubnet(facts, "two", { cidrBlock: "10.43.2.0/24", vlan: "one" });
  t.same(conflicting, ["a.default"]);
});

t.test("of two pools that name the same address the older one keeps it, whatever their names", async (t) => {
  const facts = sampleFacts();
  addPool(facts, "z-first", ["10.16.5.1"], "2026-01-01T00:00:00Z");
  addPool(facts, "a-second", ["10.16.5.1..10.16.5.2"], "2026-01-02T00:00:00Z");
  addPool(facts, "lost", ["10.9.0.1"], "2026-01-02T00:00:00Z", { subnet: "no-such-subnet" });
  const { allocator } = rig(facts);
  allocator.start();
  t.match(facts.get("verdicts", "ippool/z-first"), { ok: true });
  t.match(facts.get("verdicts", "ippool/a-second"), {
    ok: false,
    reason: "PoolOverlap",
    message: /names 10\.16\.5\.1, which IPPool "z-first" of subnet "ovn-default" already has; choose addresses/,
  });
});

t.test("a pod uses a Vip's addresses and MAC, and afterwards only the Vip has them", async (t) => {
  const facts = sampleFacts();
  const { allocator, records, said, ipam, write } = rig(facts);
  const vip = (given: boolean, more: object = {}): unknown => {
    const spec = { subnet: "ovn-default", namespace: "default", v4ip: "10.16.0.77", v6ip: "fd00:10:16::77", ...more };
    const mac = { macAddress: "02:00:00:00:00:77" };
    const status = given ? { status: { v4ip: "10.16.0.77", mac: "02:00:00:00:00:77" } } : {};
    return facts.set(
      "vips",
      "v",
      projectVip({ metadata: { name: "v", uid: "v" }, spec: { ...spec, ...mac }, ...status }),
    );
  };
  const annotations = { "ovn.kubernetes.io/vip": "v" };
  allocator.start();
  addPod(facts, "b", { node: "weft-1", annotations });
  t.match(said, ['Vip "v" does not exist; create it, or there is no Vip yet.']);
  vip(false);
  vip(true);
  t.match(records.get("b.default"), {
    lease: { v4: "10.16.0.77", v6: "fd00:10:16::77", mac: "02:00:00:00:00:77", subnet: "ovn-default" },
  });
  write("b.default");
  addPod(facts, "c", { node: "weft-1", annotations });
  t.match(said.at(-1), /10\.16\.0\.77 in subnet "ovn-default" is in use by IP "b\.default"/);
  facts.set("pods", "default/b", undefined);
  facts.set("ips", "b.default", undefined);
  t.match(records.get("c.default")?.lease, { v4: "10.16.0.77" }, "the next who names the Vip has it");
  write("c.default");
  facts.set("pods", "default/c", undefined);
  facts.set("ips", "c.default", undefined);
  t.equal(ipam.holderOf("ovn-default", "10.16.0.77"), "vip/v", "and then the Vip itself");
  addPod(facts, "d", { node: "weft-1", annotations: { "ovn.kubernetes.io/ip_address": "10.16.0.77" } });
  t.match(said.at(-1), /is in use by Vip "v"/);
  allocator.stop();
  allocator.start();
  t.equal(ipam.holderOf("ovn-default", "10.16.0.77"), "vip/v");
  vip(true, { namespace: "other" });
  addPod(facts, "e", { node: "weft-1", annotations });
  t.match(said.at(-1), 'Vip "v" is for pods of namespace "other", not of "default"');
  vip(true, { type: "switch_lb_vip" });
  addPod(facts, "f", { node: "weft-1", annotations });
  t.match(said.at(-1), 'Vip "v" is of type "switch_lb_vip", which pods cannot use');
});

t.test("a pod that uses a Vip's addresses keeps them when a leader starts with an empty database", async (t) => {
  const facts = sampleFacts();
  const { allocator, ipam, write, discarded, conflicting } = rig(facts);
  const spec = { subnet: "ovn-default", namespace: "default", v4ip: "10.16.0.77" };
  const status = { v4ip: "10.16.0.77", mac: "02:00:00:00:00:77" };
  allocator.start();
  facts.set("vips", "v", projectVip({ metadata: { name: "v", uid: "v" }, spec, status }));
  addPod(facts, "b", { node: "weft-1", annotations: { "ovn.kubernetes.io/vip": "v" } });
  write("b.default");
  allocator.stop();
  allocator.start();
  t.same([discarded, conflicting], [[], []]);
  t.equal(ipam.holderOf("ovn-default", "10.16.0.77"), "b.default");
});

t.test("a Vip's request is refused like a pod's", async (t) => {
  const facts = sampleFacts();
  const { allocator, said, refused } = rig(facts);
  allocator.start();
  for (const [name, v4ip] of [
    ["gateway", "10.16.0.1"],
    ["outside", "10.99.0.1"],
    ["taken", "10.16.0.2"],
  ] as const)
    facts.set("vips", name, projectVip({ metadata: { name, uid: name }, spec: { subnet: "ovn-default", v4ip } }));
  t.same(refused, ["gateway AddressIsGateway", "outside AddressOutOfSubnet", "taken AddressInUse"]);
  t.match(said, [/10\.16\.0\.1 is the gateway/, /10\.99\.0\.1 is not in subnet/, /in use by IP "a\.default"/]);
  t.match(facts.get("verdicts", "vip/taken"), { ok: false, reason: "AddressInUse", message: said[2] });
  facts.set("vips", "taken", undefined);
  t.equal(facts.get("verdicts", "vip/taken"), undefined, "what was said of it goes with it");
});

t.test(
  "addresses that are excluded while the cluster runs are no longer allocated, and those that are included again are",
  async (t) => {
    const facts = sampleFacts();
    const spec = { cidrBlock: "10.29.0.0/29", namespaces: ["default"] };
    addSubnet(facts, "small", { ...spec, excludeIps: ["10.29.0.4..10.29.0.6"] });
    const { allocator, records, refused, write } = rig(facts);
    allocator.start();
    const given = (name: string): string | undefined => records.get(`${name}.default`)?.lease.v4;
    addPod(facts, "b", { node: "weft-1" });
    t.equal(given("b"), "10.29.0.2");
    write("b.default");
    addSubnet(facts, "small", { ...spec, excludeIps: ["10.29.0.2..10.29.0.5"] });
    addPod(facts, "c", { node: "weft-1" });
    t.equal(given("c"), "10.29.0.6", "10.29.0.3 is excluded now");
    t.match(facts.get("ips", "b.default"), { v4: "10.29.0.2" }, "who has one keeps it");
    addPod(facts, "d", { node: "weft-1" });
    t.same(refused, ["default/d NoAvailableAddress"]);
    addSubnet(facts, "small", { ...spec, excludeIps: [] });
    t.equal(given("d"), "10.29.0.3");
  },
);

t.test("no pod gets an address of a pool reserved for another namespace, however it requests it", async (t) => {
  const facts = sampleFacts();
  addPool(facts, "theirs", ["10.16.9.0/28", "fd00:10:16::900/124"], "2026", { namespaces: ["b"] });
  addSubnet(facts, "lan", { cidrBlock: "10.28.0.0/24", provider: "lan.default" });
  addPool(facts, "theirs-too", ["10.28.0.10"], "2026", { subnet: "lan", namespaces: ["b"] });
  addNetwork(facts, "lan", NETWORK_CONFIG.ipam("lan"));
  const { allocator, records, said, refused, ipam } = rig(facts);
  allocator.start();
  const ask = (name: string, annotations: Record<string, string>): void =>
    addPod(facts, name, { node: "weft-1", annotations });
  ask("address", { "ovn.kubernetes.io/ip_address": "10.16.9.1" });
  ask("name", { "ovn.kubernetes.io/ip_pool": "theirs" });
  ask("list", { "ovn.kubernetes.io/ip_pool": "10.16.9.1,10.16.9.2" });
  ask("multus", { "k8s.v1.cni.cncf.io/networks": '[{"name":"lan","ips":["10.28.0.10"]}]' });
  const vip = (name: string, namespace: string): unknown =>
    facts.set(
      "vips",
      name,
      projectVip({ metadata: { name, uid: name }, spec: { subnet: "ovn-default", v4ip: "10.16.9.3", namespace } }),
    );
  vip("shared", "default");
  vip("unbound", "");
  const labels = { "ovn.kubernetes.io/ip_reserved": "true" };
  const reserve = (name: string, spec: object): unknown =>
    facts.set("ips", name, projectIp({ metadata: { name, uid: name, labels }, spec }));
  const place = { subnet: "ovn-default", namespace: "default" };
  reserve("open.default", { ...place, podName: "open", v4IpAddress: "10.16.9.4" });
  const whole = { v4IpAddress: "10.16.9.5", v6IpAddress: "fd00:10:16::5:5", macAddress: "02:00:00:00:00:55" };
  reserve("whole.default", { ...place, podName: "whole", ...whole });
  ask("whole", {});
  const not = /IPPool "theirs(-too)?" of subnet "[a-z-]+" is for namespace "b" \(spec\.namespaces\) only, /;
  for (const sentence of said) t.match(sentence, not);
  t.match(
    said.find((sentence) => sentence.includes("10.28.0.10")),
    /^Interface "lan\.default": IPPool "theirs-too"/,
  );
  t.same(refused, [
    "default/address PoolNotForNamespace",
    "default/name PoolNotForNamespace",
    "default/list PoolNotForNamespace",
    "default/multus PoolNotForNamespace",
    "shared PoolNotForNamespace",
    "unbound PoolNotForNamespace",
    "default/whole ReservationConflict",
  ]);
  t.match(facts.get("addressConflicts", "whole.default")?.message, not, "so its pod gets no port");
  t.match(facts.get("addressConflicts", "open.default")?.message, not);
  t.equal(ipam.holderOf("ovn-default", "10.16.9.5"), "whole.default", "and no other object gets a reserved address");
  t.equal(records.get("multus.default")?.lease.subnet, "ovn-default", "its own interface is none the worse");
  addPool(facts, "theirs", ["10.16.9.0/28", "fd00:10:16::900/124"], "2026", { namespaces: ["b", "default"] });
  addPool(facts, "theirs-too", ["10.28.0.10"], "2026", { subnet: "lan", namespaces: [] });
  t.equal(records.get("address.default")?.lease.v4, "10.16.9.1");
  t.equal(records.get("multus.default.lan.default")?.lease.v4, "10.28.0.10");
  t.equal(records.get("open.default")?.lease.v4, "10.16.9.4");
  t.equal(facts.get("addressConflicts", "whole.default"), undefined);
  t.equal(records.get("vip/shared")?.lease.v4, "10.16.9.3");
  t.equal(allocator.waiting, 1, "the Vip of no namespace");
});

t.test(
  "a pod with an address of a pool that was later reserved for others keeps it when its record is deleted",
  async (t) => {
    const facts = sampleFacts();
    const told = {
      "ovn.kubernetes.io/allocated": "true",
      "ovn.kubernetes.io/logical_switch": "ovn-default",
      "ovn.kubernetes.io/ip_address": "10.16.0.2,fd00:10:16::2",
    };
    addPod(facts, "a", { node: "weft-1", annotations: told });
    addPool(facts, "theirs", ["10.16.0.2", "10.16.0.77"], "2026", { namespaces: ["b"] });
    const port = {
      name: "a.default",
      subnet: "ovn-default",
      mac: "02:00:00:00:00:98",
      v4: "10.16.0.2",
      v6: "fd00:10:16::2",
    };
    const { allocator, records, said, ipam } = rig(facts, [port]);
    allocator.start();
    facts.set("ips", "a.default", undefined);
    t.equal(records.get("a.default")?.lease.v4, "10.16.0.2");
    t.same(said, []);
    allocator.stop();
    addPod(facts, "liar", { node: "weft-1", annotations: { ...told, "ovn.kubernetes.io/ip_address": "10.16.0.77" } });
    allocator.start();
    t.equal(records.get("a.default")?.lease.v4, "10.16.0.2", "and through a new start, by its port");
    t.equal(ipam.holderOf("ovn-default", "10.16.0.77"), undefined, "a pod's annotations are not trusted");
    t.match(said, [/IPPool "theirs".*not for "default"; 10\.16\.0\.77/]);
  },
);

t.test(
  "a pod whose reservation is in a subnet without free addresses has a refusal, and gets its address when one is free",
  async (t) => {
    const facts = sampleFacts();
    const { allocator, said, refused } = rig(facts);
    allocator.start();
    const labels = { "ovn.kubernetes.io/ip_reserved": "true" };
    const reserve = (podName: string, subnet: string, v4IpAddress: string, macAddress = ""): unknown => {
      const metadata = { name: `${podName}.default`, uid: podName, labels };
      return facts.set(
        "ips",
        metadata.name,
        projectIp({ metadata, spec: { podName, namespace: "default", subnet, v4IpAddress, macAddress } }),
      );
    };
    reserve("b", "later", "10.29.0.9");
    addPod(facts, "b", { node: "weft-1" });
    reserve("c", "ovn-default", "10.16.0.1");
    addPod(facts, "c", { node: "weft-1" });
    t.same(refused, [
      "b.default SubnetUnknown",
      "default/b SubnetUnknown",
      "c.default AddressIsGateway",
      "default/c ReservationUnmet",
    ]);
    t.match(said[1], /^IP object "b\.default" of this pod is in subnet "later", which does not exist/);
    addSubnet(facts, "later", { cidrBlock: "10.16.9.0/24" }, { creationTimestamp: "2026" });
    t.match(said.at(-1), /is in subnet "later", which is not ready; see the conditions of the subnet/);
    addSubnet(facts, "later", { cidrBlock: "10.29.0.0/24" }, { creationTimestamp: "2026" });
    const told = (): boolean => allocator.isReported(facts.by("pods", "holder", "default/b")[0] as PodFact, "ovn");
    t.equal(told(), true, "until its MAC is recorded");
    reserve("b", "later", "10.29.0.9", "02:00:00:00:00:09");
    t.equal(told(), false);
  },
);
