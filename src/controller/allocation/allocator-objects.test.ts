// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { ClaimKind } from "../../claims/claim.ts";
import { podClaims } from "../../claims/pod.ts";
import { conditionsIn } from "../../compile/effects.ts";
import { addNode, addPod, addSubnet, sampleFacts } from "../../compile/testing/sample-facts.ts";
import { Failures } from "../../desired/failures.ts";
import type { FactStore } from "../../facts/store.ts";
import { type OvnEipObject, ovnEipKind, projectOvnEip } from "../../kinds/ovn-eip.ts";
import { projectVip } from "../../kinds/vip.ts";
import { vipUnit } from "../../kinds/vip-unit.ts";
import { ManualClock } from "../../time/testing/manual-clock.ts";
import { rig } from "../testing/allocator-rig.ts";

/** A cluster with a subnet that has three addresses for OvnEips. */
function world() {
  const facts = sampleFacts();
  addSubnet(facts, "external", { cidrBlock: "172.30.0.0/29", excludeIps: ["172.30.0.5..172.30.0.6"] });
  return rig(facts);
}

function eip(facts: FactStore, name: string, of: Partial<OvnEipObject> & { readonly uid?: string } = {}): void {
  const { metadata, uid = name, ...rest } = of;
  facts.set("ovnEips", name, projectOvnEip({ metadata: { name, uid, ...metadata }, ...rest }));
}

const given = (v4Ip: string, macAddress: string) => ({ status: { v4Ip, macAddress, type: "nat" } });

t.test(
  "an object that was recreated under its name gets the requested address, although the deletion of the former was not observed",
  async (t) => {
    const { facts, allocator, records, said, ipam } = world();
    allocator.start();
    eip(facts, "a", given("172.30.0.3", "00:00:00:00:00:01"));
    t.equal(ipam.holderOf("external", "172.30.0.3"), "ovnEip/a");
    eip(facts, "a", { uid: "anew", spec: { v4Ip: "172.30.0.4" } });
    t.same(said, []);
    t.equal(records.get("ovnEip/a")?.lease.v4, "172.30.0.4");
    t.equal(ipam.holderOf("external", "172.30.0.3"), undefined, "the former address is free");
  },
);

t.test("a Vip whose status was removed, and that requests another address, gets it", (t) => {
  const { facts, allocator, records, said } = world();
  allocator.start();
  const spec = { subnet: "ovn-default", macAddress: "00:00:00:00:00:02" };
  const metadata = { name: "v", uid: "v" };
  const status = { v4ip: "10.16.0.50", mac: "00:00:00:00:00:02" };
  facts.set("vips", "v", projectVip({ metadata, spec: { ...spec, v4ip: "10.16.0.50" }, status }));
  facts.set("vips", "v", projectVip({ metadata, spec: { ...spec, v4ip: "10.16.0.51" } }));
  t.same(said, []);
  t.equal(records.get("vip/v")?.lease.v4, "10.16.0.51");
  t.end();
});

t.test("an object that is refused another address than it had does not keep the former one", (t) => {
  const { facts, allocator, records, ipam } = world();
  allocator.start();
  eip(facts, "a", given("172.30.0.3", "00:00:00:00:00:01"));
  eip(facts, "b", given("172.30.0.4", "00:00:00:00:00:02"));
  eip(facts, "a", { uid: "anew", spec: { v4Ip: "172.30.0.4" } });
  t.equal(ipam.holderOf("external", "172.30.0.4"), "ovnEip/b");
  t.equal(ipam.holderOf("external", "172.30.0.3"), undefined, "others can have it, as after a restart");
  facts.set("ovnEips", "b", undefined);
  t.equal(records.get("ovnEip/a")?.lease.v4, "172.30.0.4");
  t.end();
});

t.test("the address of a deleted object is free, also if its status was removed before", (t) => {
  const { facts, allocator, ipam } = world();
  allocator.start();
  eip(facts, "a", given("172.30.0.3", "00:00:00:00:00:01"));
  eip(facts, "a", { metadata: { name: "a", uid: "a", deletionTimestamp: "2026-01-01T00:00:00Z" } });
  facts.set("ovnEips", "a", undefined);
  t.equal(ipam.holderOf("external", "172.30.0.3"), undefined);
  t.end();
});

t.test("of two objects whose statuses name the same address the older one has it, also for the next leader", (t) => {
  const { facts, allocator, ipam } = world();
  const at = (name: string, creationTimestamp: string) => ({ metadata: { name, uid: name, creationTimestamp } });
  const address = given("172.30.0.3", "00:00:00:00:00:01");
  const state = (name: string) => {
    const input: unknown = ovnEipKind.unit?.read(facts, name);
    return conditionsIn(ovnEipKind.unit?.compile(input).effects ?? [])[0];
  };
  allocator.start();
  eip(facts, "original", { ...at("original", "2026-01-01T00:00:00Z"), ...address });
  eip(facts, "copy", { ...at("copy", "2026-02-01T00:00:00Z"), ...address });
  for (const round of ["at first", "after a restart"]) {
    t.equal(ipam.holderOf("external", "172.30.0.3"), "ovnEip/original", round);
    t.match(state("original"), { ready: true }, round);
    t.match(state("copy"), { ready: false, reason: "AddressInUse", message: /172.30.0.3.*OvnEip "original"/ }, round);
    allocator.stop();
    allocator.start();
  }
  facts.set("ovnEips", "original", undefined);
  t.equal(ipam.holderOf("external", "172.30.0.3"), "ovnEip/copy");
  t.match(state("copy"), { ready: true }, "it has it then");
  facts.set("ovnEips", "copy", undefined);
  t.same(facts.all("addressConflicts"), []);
  t.end();
});

t.test("a copy of a Vip has no port, and a Vip whose address a pod has taken does not conflict with that pod", (t) => {
  const { facts, allocator, write } = world();
  const vip = (name: string): void => {
    const spec = { subnet: "ovn-default", namespace: "default" };
    const status = { v4ip: "10.16.0.50", mac: "00:00:00:00:00:02" };
    const [metadata, v4ip, macAddress] = [{ name, uid: name }, status.v4ip, status.mac];
    facts.set("vips", name, projectVip({ metadata, spec: { ...spec, v4ip, macAddress }, status }));
  };
  const compile = (name: string) => {
    const input = vipUnit.read(facts, name);
    const { rows = [], effects = [] } = input === undefined ? {} : vipUnit.compile(input);
    return { rows, condition: conditionsIn(effects)[0] };
  };
  allocator.start();
  for (const name of ["original", "copy"]) vip(name);
  t.equal(compile("original").rows.length, 1);
  t.match(compile("copy"), { rows: [], condition: { ready: false, reason: "AddressInUse" } });
  facts.set("vips", "copy", undefined);
  addPod(facts, "b", { node: "weft-1", annotations: { "ovn.kubernetes.io/vip": "original" } });
  t.match(compile("original"), { condition: { ready: true } }, "while its record is being written");
  write("b.default");
  t.match(compile("original"), { condition: { ready: true } });
  t.end();
});

t.test("an object for which a decision or projection throws is retried, and the others get their addresses", (t) => {
  const time = new ManualClock();
  const failed: string[] = [];
  const facts = sampleFacts(new Failures(time, ({ where, key }) => failed.push(`${where} ${key}`)));
  let odd = true;
  const fail = (): never => {
    throw new Error("odd");
  };
  const pods: ClaimKind<"pods"> = {
    ...podClaims,
    read: (reader, key) =>
      podClaims.read(reader, key)?.map((claim) => {
        const { desired } = claim;
        return desired?.ok === true && odd && claim.claimant.name === "odd"
          ? { ...claim, desired: { ...desired, record: fail } }
          : claim;
      }),
  };
  const eips: ClaimKind<"ovnEips"> = {
    facts: "ovnEips",
    rank: 0,
    read: () => undefined,
    holds: (eip) => (odd && eip.name === "a" ? fail() : ovnEipKind.claim?.holds?.(eip)),
  };
  const { allocator, records, ipam } = rig(facts, [], [pods, eips]);
  addPod(facts, "odd", { node: "weft-1" });
  addPod(facts, "z", { node: "weft-1" });
  addSubnet(facts, "external", { cidrBlock: "172.30.0.0/29" });
  eip(facts, "a", given("172.30.0.3", "00:00:00:00:00:01"));
  eip(facts, "b", given("172.30.0.4", "00:00:00:00:00:02"));
  allocator.start();
  t.same(failed, ["what it holds a", "decision default/odd"]);
  t.ok(records.has("z.default"));
  t.equal(ipam.holderOf("external", "172.30.0.4"), "ovnEip/b");
  odd = false;
  time.pass(1000);
  t.ok(records.has("odd.default"));
  t.equal(ipam.holderOf("external", "172.30.0.3"), "ovnEip/a");
  t.end();
});

t.test("a record has no label that the API server would refuse, although names may be longer than labels", (t) => {
  const facts = sampleFacts();
  const long = "a".repeat(64);
  addNode(facts, long, "172.18.0.13");
  addSubnet(facts, `${long}-net`, { cidrBlock: "10.40.0.0/24", namespaces: ["default"] });
  const { allocator, records } = rig(facts);
  allocator.start();
  addPod(facts, "b", { node: long });
  for (const name of ["b.default", `node-${long}`]) {
    const labels = records.get(name)?.write.body.metadata["labels"] ?? {};
    t.same(
      Object.entries(labels).filter((entry) => entry.some((text) => text.length > 63)),
      [],
      name,
    );
    t.match(labels, { "ovn.kubernetes.io/ip_reserved": "false" });
  }
  t.end();
});
