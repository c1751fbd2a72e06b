// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { podPortId } from "../../compile/owner-ids.ts";
import { addIp, addNode, addPod, addSubnet, sampleFacts } from "../../compile/testing/sample-facts.ts";
import { rowUuid } from "../../desired/identity.ts";
import { projectIp } from "../../facts/project-ip.ts";
import { projectIpPool } from "../../kinds/ippool.ts";
import { projectVip } from "../../kinds/vip.ts";
import { rig, type SeenPort } from "../testing/allocator-rig.ts";

t.test("a pod bound to a node gets the next address of both families, one not bound yet gets none", async (t) => {
  const { facts, allocator, records } = rig();
  allocator.start();
  addPod(facts, "b");
  t.equal(records.size, 0);
  addPod(facts, "b", { node: "weft-2" });
  t.match(records.get("b.default"), {
    node: "weft-2",
    lease: { subnet: "ovn-default", v4: "10.16.0.3", v6: "fd00:10:16::3" },
  });
});

t.test("nothing is decided before start, and then for all waiting owners", async (t) => {
  const { facts, allocator, records } = rig();
  addPod(facts, "b", { node: "weft-1" });
  addNode(facts, "weft-3", "172.18.0.13");
  t.equal(records.size, 0);
  allocator.start();
  t.same([...records.keys()].sort(), ["b.default", "node-weft-3"]);
});

t.test("a recorded address is never allocated again, also after a restart", async (t) => {
  const first = rig();
  first.allocator.start();
  addPod(first.facts, "b", { node: "weft-1" });
  first.write("b.default");
  const second = rig(first.facts);
  second.allocator.start();
  addPod(first.facts, "c", { node: "weft-1" });
  t.equal(second.records.get("c.default")?.lease.v4, "10.16.0.4");
  t.equal(second.records.has("b.default"), false);
});

t.test("a refused pod is reported once, and is served when an address is released", async (t) => {
  const { facts, allocator, records, refused, logged } = rig();
  addSubnet(facts, "tiny", { cidrBlock: "10.30.0.0/30", namespaces: ["default"] });
  allocator.start();
  addPod(facts, "b", { node: "weft-1" });
  t.equal(records.get("b.default")?.lease.v4, "10.30.0.2");
  addPod(facts, "c", { node: "weft-1" });
  addPod(facts, "c", { node: "weft-1", annotations: { "ovn.kubernetes.io/ingress_rate": "1" } });
  t.same(refused, ["default/c NoAvailableAddress"]);
  t.equal(allocator.waiting, 1);
  facts.set("pods", "default/b", undefined);
  t.equal(records.get("c.default")?.lease.v4, "10.30.0.2", "b's address was not recorded yet, so it is free at once");
  t.equal(allocator.waiting, 0);
  t.same(logged, [
    "pods/default/b: b.default has 10.30.0.2",
    "b.default of tiny is free",
    "pods/default/c: c.default has 10.30.0.2",
  ]);
});

t.test("an address whose record is being written stays in use until the outcome is known", async (t) => {
  const { facts, allocator, records, writing } = rig();
  addSubnet(facts, "tiny", { cidrBlock: "10.30.0.0/30", namespaces: ["default"] });
  allocator.start();
  addPod(facts, "b", { node: "weft-1" });
  writing.add("b.default");
  facts.set("pods", "default/b", undefined);
  addPod(facts, "c", { node: "weft-1" });
  t.equal(records.has("c.default"), false);
  allocator.dropped("b.default");
  t.equal(records.get("c.default")?.lease.v4, "10.30.0.2");
});

t.test("a reservation that gets a pod's name before the pod is recorded takes precedence", async (t) => {
  const { facts, allocator, ipam, refused } = rig();
  addSubnet(facts, "tiny", { cidrBlock: "10.30.0.0/30", namespaces: ["default"] });
  allocator.start();
  addPod(facts, "b", { node: "weft-1" });
  t.equal(ipam.leaseOf("b.default")?.v4, "10.30.0.2");
  const spec = { podName: "b", namespace: "default", subnet: "ovn-default", v4IpAddress: "10.16.0.200" };
  const labels = { "ovn.kubernetes.io/ip_reserved": "true" };
  facts.set("ips", "b.default", projectIp({ metadata: { name: "b.default", uid: "uid-r", labels }, spec }));
  t.match(ipam.leaseOf("b.default"), { subnet: "ovn-default", v4: "10.16.0.200" });
  addPod(facts, "c", { node: "weft-1" });
  t.equal(ipam.leaseOf("c.default")?.v4, "10.30.0.2", "what was decided for the pod before is free again");
  t.same(refused, []);
});

t.test("a pod that requests an address of a node gets it when the node no longer has it", async (t) => {
  const { facts, allocator, records, refused } = rig();
  addNode(facts, "weft-3", "10.16.0.77");
  allocator.start();
  addPod(facts, "b", { node: "weft-1", annotations: { "ovn.kubernetes.io/ip_address": "10.16.0.77" } });
  t.equal(refused.length, 1);
  addNode(facts, "weft-3", "172.18.0.13");
  t.equal(records.get("b.default")?.lease.v4, "10.16.0.77");
});

t.test("an enlarged subnet serves waiting owners", async (t) => {
  const { facts, allocator, records } = rig();
  addSubnet(facts, "tiny", { cidrBlock: "10.30.0.0/30", namespaces: ["default"] });
  allocator.start();
  for (const name of ["b", "c"]) addPod(facts, name, { node: "weft-1" });
  t.equal(records.has("c.default"), false);
  addSubnet(facts, "tiny", { cidrBlock: "10.30.0.0/29", namespaces: ["default"] });
  t.equal(records.get("c.default")?.lease.subnet, "tiny");
});

t.test("a pod recreated with its old name keeps the address, unless it requests another one", async (t) => {
  const { facts, allocator, records, discarded } = rig();
  allocator.start();
  const pod = facts.get("pods", "default/a");
  if (!pod) throw new Error("no pod");
  facts.set("pods", "default/a", { ...pod, uid: "uid-a2" });
  t.match(records.get("a.default"), {
    takeOver: { name: "a.default" },
    lease: { v4: "10.16.0.2" },
    pod: { uid: "uid-a2" },
  });
  t.same(discarded, []);
});

t.test("for a recreated pod that requests another address the old record is discarded first", async (t) => {
  const { facts, allocator, records, discarded } = rig();
  allocator.start();
  const pod = facts.get("pods", "default/a");
  if (!pod) throw new Error("no pod");
  facts.set("pods", "default/a", {
    ...pod,
    uid: "uid-a2",
    annotations: { "ovn.kubernetes.io/ip_address": "10.16.9.9,fd00:10:16::99" },
  });
  t.same(discarded, ["a.default"]);
  t.equal(records.size, 0);
  facts.set("ips", "a.default", undefined);
  t.match(records.get("a.default"), { lease: { v4: "10.16.9.9", v6: "fd00:10:16::99" } });
});

t.test("of two records of one address the later one is deleted, and its pod gets another address", async (t) => {
  const { facts, allocator, conflicting, discarded, records } = rig();
  addPod(facts, "z", { node: "weft-1" });
  addIp(facts, "z.default", {
    podName: "z",
    namespace: "default",
    nodeName: "weft-1",
    subnet: "ovn-default",
    v4: "10.16.0.2",
    v6: "",
  });
  allocator.start();
  t.same(conflicting, ["z.default"]);
  t.same(discarded, ["z.default"]);
  t.ok(facts.get("addressConflicts", "z.default"), "meanwhile its pod gets no port");
  facts.set("ips", "z.default", undefined);
  t.equal(facts.get("addressConflicts", "z.default"), undefined);
  t.equal(records.get("z.default")?.lease.v4, "10.16.0.3");
});

t.test("at the start a record whose port is committed takes precedence over an older one without a port", async (t) => {
  const facts = sampleFacts();
  addPod(facts, "z", { node: "weft-1" });
  const of = { namespace: "default", nodeName: "weft-1", subnet: "ovn-default", v4: "10.16.0.2", v6: "" };
  addIp(facts, "z.default", { podName: "z", ...of });
  const z = facts.get("ips", "z.default");
  const { allocator, conflicting } = rig(facts, [
    { name: "z.default", subnet: "ovn-default", mac: z?.mac ?? "", v4: "10.16.0.2", v6: "" },
  ]);
  allocator.start();
  t.same(conflicting, ["a.default"]);
});

t.test("an address that only a port or an annotation has is given to its own pod only", async (t) => {
  const facts = sampleFacts();
  facts.set("ips", "a.default", undefined);
  const remembered = {
    allocated: "true",
    ip_address: "10.16.0.3",
    mac_address: "02:00:00:00:00:99",
    logical_switch: "ovn-default",
  };
  const annotations = Object.fromEntries(
    Object.entries(remembered).map(([key, value]) => [`ovn.kubernetes.io/${key}`, value]),
  );
  addPod(facts, "0-first", { node: "weft-1" });
  addPod(facts, "z", { node: "weft-1", annotations });
  addPod(facts, "zz", { node: "weft-1", annotations });
  const { allocator, records, restored } = rig(facts, [
    { name: "a.default", subnet: "ovn-default", mac: "02:00:00:00:00:98", v4: "10.16.0.2", v6: "" },
  ]);
  allocator.start();
  t.match(restored, [
    "default/a: the IP object a.default was missing, and the northbound database had 02:00:00:00:00:98 10.16.0.2 for this pod: the pod keeps its address, and the object is recreated",
    "default/z: the IP object z.default was missing, and its annotations had 02:00:00:00:00:99 10.16.0.3 for this pod: the pod keeps it",
    /^default\/zz: .*, but 10\.16\.0\.3 in subnet "ovn-default" is recorded for "zz\.default" and for "z\.default"; "z\.default" keeps it.*Delete the pod/,
  ]);
  t.match(records.get("a.default")?.lease, { v4: "10.16.0.2", mac: "02:00:00:00:00:98" });
  t.match(records.get("z.default")?.lease, { v4: "10.16.0.3", mac: "02:00:00:00:00:99" });
  t.equal(records.get("0-first.default")?.lease.v4, "10.16.0.4");
  t.equal(records.has("zz.default"), false);
});

t.test("a node whose record is lost gets the address of its port again, and no other node does", async (t) => {
  const facts = sampleFacts();
  facts.set("ips", "node-weft-2", undefined);
  addNode(facts, "a-new-one", "172.18.0.13", "fd00:172:18::13");
  const mac = "02:00:00:00:00:97";
  const { allocator, records } = rig(facts, [
    { name: "node-weft-2", subnet: "join", mac, v4: "100.64.0.9", v6: "", uuid: "made-by-us" },
    { name: "node-gone", subnet: "join", mac: "", v4: "100.64.0.2", v6: "", uuid: "made-by-us" },
  ]);
  allocator.start();
  t.match(records.get("node-weft-2")?.lease, { v4: "100.64.0.9", mac });
  t.notMatch(records.get("node-a-new-one")?.lease.v4, /^100\.64\.0\.[29]$/);
});

t.test("a port of an earlier pod with the same name, as in an old backup, is not used for the pod", async (t) => {
  const facts = sampleFacts();
  addPod(facts, "again", { node: "weft-1" });
  addPod(facts, "settled", { node: "weft-1" });
  const uuid = rowUuid(
    "Logical_Switch_Port",
    podPortId("again.default", { uid: "uid-first", key: "default/again", holder: "default/again" }),
  );
  const old = { name: "again.default", subnet: "ovn-default", mac: "", v4: "10.16.0.9", v6: "", uuid };
  const { allocator, records, restored, ipam } = rig(facts, [old]);
  allocator.start();
  t.same(restored, []);
  t.not(records.get("again.default")?.lease.v4, "10.16.0.9");
  t.equal(ipam.holderOf("ovn-default", "10.16.0.9"), "port/again.default", "it is held while the port is there");
});

t.test("a virtual machine's second pod waits until the first is deleted, and then gets its address", async (t) => {
  const facts = sampleFacts();
  const { allocator, records, write } = rig(facts);
  allocator.start();
  const machinePod = (name: string): void => {
    addPod(facts, name, { node: "weft-1" });
    const pod = facts.get("pods", `default/${name}`);
    if (pod) facts.set("pods", pod.key, { ...pod, holder: "default/vm" });
  };
  machinePod("launcher-1");
  records.delete("launcher-1.default");
  write("vm.default");
  machinePod("launcher-2");
  t.equal(records.has("vm.default"), false);
  facts.set("pods", "default/launcher-1", undefined);
  t.match(records.get("vm.default"), { kind: "ip", takeOver: { name: "vm.default" }, pod: { name: "launcher-2" } });
});

t.test("only pods of a namespace with a pool get the pool's addresses", async (t) => {
  const facts = sampleFacts();
  const pool = (name: string, ips: string[], namespaces: string[]): unknown =>
    facts.set(
      "ipPools",
      name,
      projectIpPool({ metadata: { name, uid: name }, spec: { subnet: "ovn-default", ips, namespaces } }),
    );
  pool("p1", ["10.16.5.1..10.16.5.2", "fd00:10:16::500..fd00:10:16::501"], ["default"]);
  pool("p2", ["10.16.5.2..10.16.5.9"], []);
  const { allocator, records, refused } = rig(facts);
  allocator.start();
  for (const name of ["b", "c", "d"]) addPod(facts, name, { node: "weft-1" });
  t.equal(records.get("b.default")?.lease.v4, "10.16.5.1");
  t.equal(records.get("c.default")?.lease.v4, "10.16.5.2");
  t.same(refused, ["default/d NoAvailableAddress"]);
  t.match(facts.get("verdicts", "ippool/p2"), { ok: false, reason: "PoolOverlap" });
  pool("p1", ["10.16.5.1..10.16.5.9", "fd00:10:16::500..fd00:10:16::509"], ["default"]);
  t.equal(records.get("d.default")?.lease.v4, "10.16.5.3", "a larger pool serves who waits");
});

t.test(
  "a node whose port has an address of another subnet from another client gets one of the join subnet",
  async (t) => {
    const facts = sampleFacts();
    facts.set("ips", "node-weft-2", undefined);
    const port = { name: "node-weft-2", subnet: "join", mac: "", v4: "10.16.0.9", v6: "", uuid: "made-by-us" };
    const { allocator, records, refused } = rig(facts, [port]);
    allocator.start();
    t.same(refused, []);
    t.match(records.get("node-weft-2")?.lease, { subnet: "join", v4: /^100\.64\./ });
  },
);

t.test("a Vip that is changed before it has an address gets the address that it requests then", (t) => {
  const { facts, allocator, ipam, refused } = rig();
  allocator.start();
  const ask = (v4ip: string): void => {
    const metadata = { name: "v", uid: "v" };
    facts.set("vips", "v", projectVip({ metadata, spec: { subnet: "ovn-default", v4ip } }));
  };
  ask("10.16.0.200");
  t.equal(ipam.leaseOf("vip/v")?.v4, "10.16.0.200");
  ask("10.16.0.201");
  t.equal(ipam.leaseOf("vip/v")?.v4, "10.16.0.201");
  t.same(refused, []);
  t.end();
});

t.test("a Vip keeps its address through a restart although a user has reserved it meanwhile", async (t) => {
  const facts = sampleFacts();
  const given = { v4ip: "10.16.0.77", macAddress: "02:00:00:00:00:77" };
  const metadata = { name: "v", uid: "v" };
  const status = { v4ip: given.v4ip, mac: given.macAddress };
  facts.set("vips", "v", projectVip({ metadata, spec: { subnet: "ovn-default", ...given }, status }));
  const reserved = { name: "late.default", uid: "r", labels: { "ovn.kubernetes.io/ip_reserved": "true" } };
  const spec = { subnet: "ovn-default", namespace: "default", podName: "late", v4IpAddress: "10.16.0.77" };
  facts.set("ips", "late.default", projectIp({ metadata: reserved, spec }));
  const { allocator, conflicting, ipam } = rig(facts);
  allocator.start();
  t.same(conflicting, ["late.default"]);
  t.equal(ipam.holderOf("ovn-default", "10.16.0.77"), "vip/v");
});

t.test("a Vip gets an address once, and no pod gets it", async (t) => {
  const facts = sampleFacts();
  const { allocator, records } = rig(facts);
  allocator.start();
  const vip = (spec: object, status?: object): unknown =>
    facts.set(
      "vips",
      "v",
      projectVip({
        metadata: { name: "v", uid: "v" },
        spec: { subnet: "ovn-default", namespace: "default", ...spec },
        ...(status && { status }),
      }),
    );
  vip({ v4ip: "10.16.0.77" });
  const record = records.get("vip/v");
  t.match(record, { kind: "vip", lease: { v4: "10.16.0.77" } });
  vip(
    { v4ip: "10.16.0.77", v6ip: record?.lease.v6, macAddress: record?.lease.mac },
    { v4ip: "10.16.0.77", mac: record?.lease.mac },
  );
  addPod(facts, "b", { node: "weft-1", annotations: { "ovn.kubernetes.io/ip_address": "10.16.0.77" } });
  t.equal(records.has("b.default"), false);
  facts.set("vips", "v", undefined);
  t.equal(records.get("b.default")?.lease.v4, "10.16.0.77");
});

t.test("a reservation without an address gets one", async (t) => {
  const facts = sampleFacts();
  const { allocator, records } = rig(facts);
  allocator.start();
  const labels = { "ovn.kubernetes.io/ip_reserved": "true" };
  facts.set(
    "ips",
    "keep",
    projectIp({ metadata: { name: "keep", uid: "keep", labels }, spec: { subnet: "ovn-default" } }),
  );
  t.match(records.get("keep"), { kind: "reservation", lease: { v4: "10.16.0.3" } });
});

t.test("a subnet that is not ready allocates no addresses", async (t) => {
  const { facts, allocator, records, refused } = rig();
  addSubnet(
    facts,
    "bad",
    { cidrBlock: "10.16.5.0/24", namespaces: ["default"] },
    { creationTimestamp: "2026-01-01T00:00:00Z" },
  );
  allocator.start();
  addPod(facts, "b", { node: "weft-1" });
  t.same(refused, ["default/b SubnetNotReady"], "and another subnet does not serve instead");
  t.equal(records.has("b.default"), false);
});

t.test("a reservation without a MAC gets one, and keeps its address", async (t) => {
  const facts = sampleFacts();
  const { allocator, records } = rig(facts);
  allocator.start();
  const labels = { "ovn.kubernetes.io/ip_reserved": "true" };
  const spec = { subnet: "ovn-default", v4IpAddress: "10.16.0.9" };
  facts.set("ips", "keep", projectIp({ metadata: { name: "keep", uid: "keep", labels }, spec }));
  const record = records.get("keep");
  t.match(record, { kind: "reservation", lease: { v4: "10.16.0.9" } });
  t.ok(record?.lease.mac);
});

t.test("the holder of an address that is no longer in the subnet keeps it, also through a restart", async (t) => {
  const facts = sampleFacts();
  const { allocator, discarded, conflicting } = rig(facts);
  // As with a subnet that was made smaller by Kube-OVN.
  addSubnet(facts, "small", { cidrBlock: "10.30.0.0/29", namespaces: ["default"] });
  addIp(facts, "z.default", {
    podName: "z",
    namespace: "default",
    nodeName: "weft-1",
    subnet: "small",
    v4: "10.30.0.9",
    v6: "",
  });
  allocator.start();
  t.same(conflicting, ["z.default"], "it is said");
  t.same(discarded, []);
  t.equal(facts.get("addressConflicts", "z.default"), undefined);
});

t.test("the address of an earlier pod with the same name is released if the pod cannot have it", async (t) => {
  const { facts, allocator, discarded, refused } = rig();
  allocator.start();
  const pod = facts.get("pods", "default/a");
  if (!pod) throw new Error("no pod");
  facts.set("pods", "default/a", { ...pod, uid: "uid-a2", annotations: { "ovn.kubernetes.io/ip_pool": "nowhere" } });
  t.same(refused, ["default/a PoolUnknown"]);
  t.same(discarded, ["a.default"]);
});

t.test("the address of a port without record and pod is not allocated until the port is deleted", async (t) => {
  const facts = sampleFacts();
  const ports = [{ name: "gone.default", subnet: "ovn-default", mac: "", v4: "10.16.0.3", v6: "" }];
  const { allocator, records, ipam, notePorts } = rig(facts, ports);
  allocator.start();
  addPod(facts, "b", { node: "weft-1" });
  t.equal(records.get("b.default")?.lease.v4, "10.16.0.4");
  notePorts();
  t.equal(ipam.holderOf("ovn-default", "10.16.0.3"), "port/gone.default");
  ports.length = 0;
  notePorts();
  t.equal(ipam.holderOf("ovn-default", "10.16.0.3"), undefined);
});

t.test("an address without a record is not allocated while its port exists", async (t) => {
  const facts = sampleFacts();
  const ports: SeenPort[] = [];
  const { allocator, records, notePorts } = rig(facts, ports);
  addSubnet(facts, "tiny", { cidrBlock: "10.30.0.0/30", namespaces: ["default"] });
  const of = { podName: "z", namespace: "default", nodeName: "weft-1", subnet: "tiny", v4: "10.30.0.2", v6: "" };
  addIp(facts, "z.default", of);
  const mac = facts.get("ips", "z.default")?.mac ?? "";
  ports.push({ name: "z.default", subnet: "tiny", mac, v4: "10.30.0.2", v6: "" });
  notePorts();
  allocator.start();
  addPod(facts, "b", { node: "weft-1" });
  facts.set("ips", "z.default", undefined);
  t.equal(records.has("b.default"), false);
  ports.length = 0;
  notePorts();
  t.equal(records.get("b.default")?.lease.v4, "10.30.0.2");
});

t.test("a pod whose record is deleted gets its address again before waiting claims", async (t) => {
  const facts = sampleFacts();
  const { allocator, records, write } = rig(facts);
  addSubnet(facts, "tiny", { cidrBlock: "10.30.0.0/30", namespaces: ["default"] });
  allocator.start();
  addPod(facts, "b", { node: "weft-1" });
  write("b.default");
  addPod(facts, "a0", { node: "weft-1" });
  t.equal(records.has("a0.default"), false);
  facts.set("ips", "b.default", undefined);
  t.equal(records.get("b.default")?.lease.v4, "10.30.0.2");
});

t.test("a reservation that conflicted with a pod's address gets it as soon as the pod releases it", async (t) => {
  const facts = sampleFacts();
  const { allocator, conflicting, ipam } = rig(facts);
  allocator.start();
  const labels = { "ovn.kubernetes.io/ip_reserved": "true" };
  const spec = { subnet: "ovn-default", v4IpAddress: "10.16.0.2" };
  facts.set("ips", "keep", projectIp({ metadata: { name: "keep", uid: "keep", labels }, spec }));
  t.same(conflicting, ["keep"]);
  facts.set("pods", "default/a", undefined);
  facts.set("ips", "a.default", undefined);
  t.equal(ipam.holderOf("ovn-default", "10.16.0.2"), "keep");
  t.equal(facts.get("addressConflicts", "keep"), undefined);
});

t.test(
  "the address of an earlier pod with the same name is in use until its record is deleted, also if the pod wants another one",
  async (t) => {
    const { facts, allocator, ipam, discarded, records } = rig();
    allocator.start();
    const pod = facts.get("pods", "default/a");
    if (!pod) throw new Error("no pod");
    const annotations = { "ovn.kubernetes.io/ip_address": "10.16.9.9,fd00:10:16::99" };
    facts.set("pods", "default/a", { ...pod, uid: "uid-a2", annotations });
    t.same(discarded, ["a.default"]);
    t.equal(ipam.holderOf("ovn-default", "10.16.0.2"), "a.default");
    addPod(facts, "b", { node: "weft-1" });
    t.equal(records.get("b.default")?.lease.v4, "10.16.0.3");
  },
);

t.test("a committed port of an existing pod takes precedence over a record without a port", async (t) => {
  const facts = sampleFacts();
  addPod(facts, "z", { node: "weft-1" });
  const of = { namespace: "default", nodeName: "weft-1", subnet: "ovn-default", v4: "10.16.0.5", v6: "" };
  addIp(facts, "late.default", { podName: "late", ...of });
  const ports = [
    { name: "z.default", subnet: "ovn-default", mac: "02:00:00:00:00:98", v4: "10.16.0.5", v6: "fd00:10:16::5" },
  ];
  const { allocator, records, discarded } = rig(facts, ports);
  allocator.start();
  t.equal(records.get("z.default")?.lease.v4, "10.16.0.5");
  t.same(discarded, ["late.default"]);
});

t.test(
  "a subnet that is not ready allocates nothing, also to pods that name it, but keeps addresses in use",
  async (t) => {
    const { facts, allocator, records, refused, ipam } = rig();
    const made = { creationTimestamp: "2026-01-01T00:00:00Z" };
    addSubnet(facts, "bad", { cidrBlock: "10.16.5.0/24" }, made);
    const of = { podName: "z", namespace: "default", nodeName: "weft-1", subnet: "bad", v4: "10.16.5.9", v6: "" };
    addIp(facts, "z.default", of);
    allocator.start();
    addPod(facts, "b", { node: "weft-1", annotations: { "ovn.kubernetes.io/logical_switch": "bad" } });
    t.same(refused, ["default/b SubnetNotReady"]);
    t.equal(records.has("b.default"), false);
    t.equal(ipam.holderOf("bad", "10.16.5.9"), "z.default");
  },
);

t.test("a pod whose request is refused does not keep the address of its port when the port is deleted", async (t) => {
  const facts = sampleFacts();
  const ports: SeenPort[] = [
    { name: "b.default", subnet: "ovn-default", mac: "02:00:00:00:00:0b", v4: "10.16.0.9", v6: "fd00:10:16::9" },
  ];
  addPod(facts, "b", { node: "weft-1", annotations: { "ovn.kubernetes.io/ip_address": "10.16.0.999" } });
  const { allocator, ipam, refused, notePorts } = rig(facts, ports);
  allocator.start();
  t.same(refused, ["default/b AddressMalformed"]);
  t.ok(ipam.holderOf("ovn-default", "10.16.0.9"), "its port is still there");
  ports.length = 0;
  notePorts();
  t.equal(ipam.holderOf("ovn-default", "10.16.0.9"), undefined);
});
