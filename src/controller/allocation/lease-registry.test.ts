// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { addIp, addPod, addSubnet, sampleFacts } from "../../compile/testing/sample-facts.ts";
import { projectIp } from "../../facts/project-ip.ts";
import { rig, type SeenPort } from "../testing/allocator-rig.ts";

const GHOST: SeenPort = { name: "gone.default", subnet: "ovn-default", mac: "", v4: "10.16.0.9", v6: "" };
const of = { podName: "b", namespace: "default", nodeName: "weft-1", subnet: "ovn-default", v4: "10.16.0.9", v6: "" };

t.test("an unused record waits for a port without record and pod, and then has the address", async (t) => {
  for (const reserved of [true, false]) {
    const facts = sampleFacts();
    addPod(facts, "b", { node: "weft-1" });
    addIp(facts, "b.default", of);
    const ip = facts.get("ips", "b.default");
    if (ip) facts.set("ips", "b.default", { ...ip, reserved });
    const ports = [GHOST];
    const { allocator, ipam, discarded, conflicting, notePorts } = rig(facts, ports);
    allocator.start();
    t.equal(ipam.holderOf("ovn-default", "10.16.0.9"), "port/gone.default");
    t.match(facts.get("addressConflicts", "b.default")?.message, /port "gone\.default" of the northbound database/);
    t.same(conflicting, ["b.default"]);
    ports.length = 0;
    notePorts();
    t.equal(ipam.holderOf("ovn-default", "10.16.0.9"), "b.default");
    t.equal(facts.get("addressConflicts", "b.default"), undefined);
    t.same(discarded, []);
  }
});

t.test("a running pod keeps its address, whatever port an old copy of the database has", async (t) => {
  const annotations = {
    "ovn.kubernetes.io/allocated": "true",
    "ovn.kubernetes.io/logical_switch": "ovn-default",
    "ovn.kubernetes.io/ip_address": "10.16.0.9",
  };
  for (const recorded of [true, false]) {
    const facts = sampleFacts();
    addPod(facts, "b", { node: "weft-1", annotations });
    if (recorded) addIp(facts, "b.default", of);
    const { allocator, ipam, discarded } = rig(facts, [GHOST]);
    allocator.start();
    t.equal(ipam.holderOf("ovn-default", "10.16.0.9"), "b.default", recorded ? "by its record" : "its record is lost");
    t.same(discarded, []);
  }
});

t.test("a pod recreated with the same name waits for such a port too, and is served when it is deleted", async (t) => {
  const facts = sampleFacts();
  addPod(facts, "b", { node: "weft-1" });
  addIp(facts, "b.default", { ...of, v6: "fd00:10:16::9" });
  const ip = facts.get("ips", "b.default");
  if (ip) facts.set("ips", "b.default", { ...ip, podUid: "an-earlier-uid" });
  const ports = [GHOST];
  const { allocator, records, notePorts } = rig(facts, ports);
  allocator.start();
  t.equal(records.has("b.default"), false);
  ports.length = 0;
  notePorts();
  t.match(records.get("b.default"), { lease: { v4: "10.16.0.9" }, takeOver: { name: "b.default" } });
});

t.test(
  "of two reservations of one address the older one has it, also if they are older than their subnet",
  async (t) => {
    const facts = sampleFacts();
    const { allocator, ipam } = rig(facts);
    allocator.start();
    for (const [name, second] of [
      ["z-first", 1],
      ["a-second", 2],
    ] as const) {
      const metadata = { name, uid: name, creationTimestamp: `2026-01-01T00:00:0${second}Z` };
      const labels = { "ovn.kubernetes.io/ip_reserved": "true" };
      const spec = { podName: name, namespace: "default", subnet: "late", v4IpAddress: "10.30.0.4" };
      facts.set("ips", name, projectIp({ metadata: { ...metadata, labels }, spec }));
    }
    addSubnet(facts, "late", { cidrBlock: "10.30.0.0/27" });
    t.equal(ipam.holderOf("late", "10.30.0.4"), "z-first");
    allocator.stop();
    allocator.start();
    t.equal(ipam.holderOf("late", "10.30.0.4"), "z-first");
  },
);

t.test(
  "of two reservations of one address the completed one has it after a restart too, whatever their ages say",
  async (t) => {
    const facts = sampleFacts();
    for (const [name, mac] of [
      ["keep-a", ""],
      ["keep-b", "02:00:00:00:00:0b"],
    ] as const) {
      addIp(facts, name, { ...of, podName: "", namespace: "" });
      const ip = facts.get("ips", name);
      if (ip) facts.set("ips", name, { ...ip, reserved: true, mac, holder: "", podUid: "" });
    }
    const { allocator, ipam, conflicting } = rig(facts);
    allocator.start();
    t.equal(ipam.holderOf("ovn-default", "10.16.0.9"), "keep-b");
    t.same(conflicting, ["keep-a"]);
  },
);
