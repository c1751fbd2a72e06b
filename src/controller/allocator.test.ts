import t from "tap";
import { addIp, addNode, addPod, addSubnet, sampleFacts } from "../compile/testing.ts";
import { type IpObject, POD_UID_ANNOTATION, projectIp } from "../facts/project-ip.ts";
import type { FactStore } from "../facts/store.ts";
import { Ipam } from "../ipam/ipam.ts";
import { hashedMacs } from "../ipam/macs.ts";
import { Allocator, type IpRecord } from "./allocator.ts";

/** An allocator on the sample cluster; `write` does what the recorder and the informer would do. */
function rig(facts: FactStore = sampleFacts()) {
  const ipam = new Ipam({ macs: hashedMacs("test") });
  const records = new Map<string, IpRecord>();
  const refused: string[] = [];
  const disputed: string[] = [];
  const discarded: string[] = [];
  const writing = new Set<string>();
  const allocator = new Allocator({
    facts,
    ipam,
    record: (record) => records.set(record.name, record),
    withdraw: (name) => {
      if (writing.has(name)) return false;
      records.delete(name);
      return true;
    },
    discard: (ip) => discarded.push(ip.name),
    refused: (object, { code }) => refused.push(`${object.key} ${code}`),
    disputed: (ip) => disputed.push(ip.name),
    usageChanged: () => {},
  });
  facts.subscribe((change) => allocator.noteFact(change));
  const write = (name: string): void => {
    const record = records.get(name);
    if (record === undefined) throw new Error(`nothing decided for ${name}`);
    records.delete(name);
    const { lease, pod, node } = record;
    const object: IpObject = {
      metadata: { name, uid: `uid-ip-${name}`, annotations: pod ? { [POD_UID_ANNOTATION]: pod.uid } : {} },
      spec: {
        podName: pod?.name ?? node,
        namespace: pod?.namespace ?? "",
        nodeName: node,
        subnet: lease.subnet,
        v4IpAddress: lease.v4 ?? "",
        v6IpAddress: lease.v6 ?? "",
        macAddress: lease.mac ?? "",
      },
    };
    facts.set("ips", name, projectIp(object));
  };
  return { facts, ipam, allocator, records, refused, disputed, discarded, writing, write };
}

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

t.test("nothing is decided before start, and then for all who wait", async (t) => {
  const { facts, allocator, records } = rig();
  addPod(facts, "b", { node: "weft-1" });
  addNode(facts, "weft-3", "172.18.0.13");
  t.equal(records.size, 0);
  allocator.start();
  t.same([...records.keys()].sort(), ["b.default", "node-weft-3"]);
});

t.test("an address that is recorded is never given again, also after a new start", async (t) => {
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

t.test("a pod that is refused says so once, and is served when an address is freed", async (t) => {
  const { facts, allocator, records, refused } = rig();
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
});

t.test("an address whose record is being written stays taken until the outcome is known", async (t) => {
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

t.test("a larger subnet serves those who wait", async (t) => {
  const { facts, allocator, records } = rig();
  addSubnet(facts, "tiny", { cidrBlock: "10.30.0.0/30", namespaces: ["default"] });
  allocator.start();
  for (const name of ["b", "c"]) addPod(facts, name, { node: "weft-1" });
  t.equal(records.has("c.default"), false);
  addSubnet(facts, "tiny", { cidrBlock: "10.30.0.0/29", namespaces: ["default"] });
  t.equal(records.get("c.default")?.lease.subnet, "tiny");
});

t.test("a pod created anew under its old name takes its address over, if it wants nothing else", async (t) => {
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

t.test("a pod created anew that wants another address has the old record discarded first", async (t) => {
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

t.test("two records of one address are a dispute that is told", async (t) => {
  const { facts, allocator, disputed } = rig();
  addIp(facts, "z.default", {
    podName: "z",
    namespace: "default",
    nodeName: "weft-1",
    subnet: "ovn-default",
    v4: "10.16.0.2",
    v6: "",
  });
  allocator.start();
  t.same(disputed, ["z.default"]);
});

t.test("a subnet that is not in force gives nothing", async (t) => {
  const { facts, allocator, records, refused } = rig();
  addSubnet(
    facts,
    "bad",
    { cidrBlock: "10.16.5.0/24", namespaces: ["default"] },
    { creationTimestamp: "2026-01-01T00:00:00Z" },
  );
  allocator.start();
  addPod(facts, "b", { node: "weft-1" });
  t.equal(records.get("b.default")?.lease.subnet, "ovn-default", "the namespace's default serves instead");
  t.same(refused, []);
});
