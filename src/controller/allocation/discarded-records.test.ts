// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { addIp, addPod, sampleFacts } from "../../compile/testing/sample-facts.ts";
import type { IpFact } from "../../facts/ip.ts";
import type { PodFact } from "../../facts/pod.ts";
import type { FactStore } from "../../facts/store.ts";
import { rig } from "../testing/allocator-rig.ts";

const NAME = "a.default";
/** A request with which a pod cannot use the record of pod "a" of the sample cluster. */
const OTHER = { "ovn.kubernetes.io/ip_address": "10.16.0.99,fd00:10:16::99" };

/** The pod is recreated with its name. */
function replace(facts: FactStore, uid: string, annotations: PodFact["annotations"]): void {
  const pod = facts.get("pods", "default/a");
  if (pod === undefined) throw new Error("no pod");
  facts.set("pods", "default/a", { ...pod, uid, annotations });
}

/** Another client changes the record, or its stored version is observed. */
function change(facts: FactStore, name: string, change: Partial<IpFact>): void {
  const ip = facts.get("ips", name);
  if (ip === undefined) throw new Error("no record");
  facts.set("ips", name, { ...ip, ...change });
}

t.test("a record that a successor can use after all is not discarded any more", async (t) => {
  const { facts, allocator, going, records } = rig();
  allocator.start();
  replace(facts, "uid-a2", OTHER);
  t.same([...going.keys()], [NAME]);
  replace(facts, "uid-a3", {});
  t.match(records.get(NAME), { takeOver: { name: NAME }, pod: { uid: "uid-a3" } });
  t.same([...going.keys()], []);
});

t.test(
  "a record whose successor is deleted is not discarded: the pod's unit decides whether it is released",
  async (t) => {
    const { facts, allocator, going } = rig();
    allocator.start();
    replace(facts, "uid-a2", OTHER);
    t.same([...going.keys()], [NAME]);
    facts.set("pods", "default/a", undefined);
    t.same([...going.keys()], []);
  },
);

t.test("a record that is retained again before its deletion is not discarded", async (t) => {
  const { facts, allocator, going } = rig();
  change(facts, NAME, { holder: "default/web-1", podType: "StatefulSet" });
  const set = { key: "default/web", start: 0, deleting: false };
  facts.set("statefulSets", set.key, { ...set, replicas: 1 });
  allocator.start();
  const pod = facts.get("pods", "default/a") as PodFact;
  facts.set("pods", "default/a", undefined);
  facts.set("ips", NAME, undefined);
  const own = { key: "default/web-1", name: "web-1", uid: "uid-1", holder: "default/web-1" };
  addIp(facts, "web-1.default", {
    ...{ podName: "web-1", namespace: "default", nodeName: "weft-1", subnet: "ovn-default" },
    ...{ v4: "10.16.0.2", v6: "fd00:10:16::2" },
  });
  change(facts, "web-1.default", { podType: "StatefulSet" });
  facts.set("pods", own.key, { ...pod, ...own, annotations: { "ovn.kubernetes.io/ip_pool": "nowhere" } });
  t.same([...going.keys()], ["web-1.default"]);
  facts.set("statefulSets", set.key, { ...set, replicas: 2 });
  t.same([...going.keys()], []);
});

t.test("a record that changes before it is discarded is discarded in its new version, or not at all", async (t) => {
  const { facts, allocator, going } = rig();
  allocator.start();
  replace(facts, "uid-a2", OTHER);
  change(facts, NAME, { version: "2" });
  t.equal(going.get(NAME)?.version, "2");
  facts.set("ips", NAME, undefined);
  t.equal(going.size, 0, "nothing is remembered of what is gone");
});

t.test("a record that names another one's address is discarded, and reported once", async (t) => {
  const { facts, allocator, going, conflicting } = rig();
  allocator.start();
  addPod(facts, "z", { node: "weft-1" });
  facts.set("ips", "z.default", undefined);
  const of = { namespace: "default", nodeName: "weft-1", subnet: "ovn-default", v4: "10.16.0.2", v6: "" };
  addIp(facts, "z.default", { podName: "z", ...of });
  change(facts, "z.default", { version: "2" });
  t.equal(going.get("z.default")?.version, "2");
  t.same(conflicting, ["z.default"]);
  facts.set("pods", "default/a", undefined);
  facts.set("ips", NAME, undefined);
  t.equal(facts.get("addressConflicts", "z.default"), undefined);
  t.same([...going.keys()], [], "it holds the address that it names now");
});

t.test("a record whose address only a port still has waits for that port, and is not discarded any more", async (t) => {
  const facts = sampleFacts();
  const port = { name: NAME, subnet: "ovn-default", mac: "", v4: "10.16.0.2", v6: "fd00:10:16::2" };
  const { allocator, going, ipam } = rig(facts, [port]);
  allocator.start();
  addPod(facts, "z", { node: "weft-1" });
  facts.set("ips", "z.default", undefined);
  const of = { namespace: "default", nodeName: "weft-1", subnet: "ovn-default", v4: "10.16.0.2", v6: "" };
  addIp(facts, "z.default", { podName: "z", ...of });
  t.same([...going.keys()], ["z.default"]);
  facts.set("pods", "default/a", undefined);
  facts.set("ips", NAME, undefined);
  t.equal(ipam.holderOf("ovn-default", "10.16.0.2"), `port/${NAME}`);
  t.same([...going.keys()], []);
});
