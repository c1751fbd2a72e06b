// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { rig } from "../../controller/testing/allocator-rig.ts";
import type { FactStore } from "../../facts/store.ts";
import { projectVip } from "../../kinds/vip.ts";
import { conditionsIn } from "../effects.ts";
import {
  addIp,
  addNetwork,
  addPod,
  addSubnet,
  NETWORK_CONFIG,
  sampleFacts,
  settleSubnets,
} from "../testing/sample-facts.ts";
import { subnetUnit } from "./subnet.ts";

const VIPS = ["10.20.0.10", "10.20.0.11"];

function sample(vips: readonly string[] = VIPS, provider = "ovn"): FactStore {
  const facts = sampleFacts();
  addSubnet(facts, "web", { cidrBlock: "10.20.0.0/28", vips, provider });
  settleSubnets(facts);
  return facts;
}

const compiled = (facts: FactStore) => {
  const input = subnetUnit.read(facts, "web");
  return input === undefined ? undefined : subnetUnit.compile(input);
};
const ports = (facts: FactStore) =>
  compiled(facts)
    ?.rows.filter(({ columns }) => columns["type"] === "virtual")
    .map(({ columns }) => columns["options"]);
const notes = (facts: FactStore) =>
  conditionsIn(compiled(facts)?.effects ?? []).flatMap(({ notes = [] }) => notes.map(({ message }) => message));

/** A pod with an interface in the subnet, which may send from these addresses too. */
function member(facts: FactStore, name: string, v4: string, vips: string, provider = "ovn"): void {
  addPod(facts, name, { node: "weft-1", annotations: { [`${provider}.kubernetes.io/port_vips`]: vips } });
  const suffix = provider === "ovn" ? "" : `.${provider}`;
  addIp(facts, `${name}.default${suffix}`, {
    podName: name,
    namespace: "default",
    nodeName: "weft-1",
    subnet: "web",
    v4,
    v6: "",
  });
}

t.test("each address is a virtual port, whose parents are the ports that name it in port_vips", async (t) => {
  const facts = sample();
  t.same(
    ports(facts),
    VIPS.map((ip) => ({ "virtual-ip": ip })),
  );
  member(facts, "one", "10.20.0.2", "10.20.0.10");
  member(facts, "two", "10.20.0.3", "10.20.0.11, 10.20.0.10");
  // It is in another subnet.
  addPod(facts, "a", { node: "weft-1", annotations: { "ovn.kubernetes.io/port_vips": "10.20.0.10" } });
  t.same(ports(facts), [
    { "virtual-ip": "10.20.0.10", "virtual-parents": "one.default,two.default" },
    { "virtual-ip": "10.20.0.11", "virtual-parents": "two.default" },
  ]);
  t.same(notes(facts), []);
  addPod(facts, "two", { node: "weft-1" });
  t.same(ports(facts), [
    { "virtual-ip": "10.20.0.10", "virtual-parents": "one.default" },
    { "virtual-ip": "10.20.0.11" },
  ]);
  addSubnet(facts, "web", { cidrBlock: "10.20.0.0/28" });
  settleSubnets(facts);
  t.same(ports(facts), []);
});

t.test("parents are the interfaces in the subnet, secondary ones too", async (t) => {
  const provider = "lan.default.ovn";
  const facts = sample(VIPS, provider);
  addNetwork(facts, "lan", NETWORK_CONFIG.ovn("lan"));
  member(facts, "one", "10.20.0.2", "10.20.0.10", provider);
  t.same(ports(facts)?.[0], { "virtual-ip": "10.20.0.10", "virtual-parents": `one.default.${provider}` });
  // Of the pod's primary interface, which is in another subnet.
  addPod(facts, "one", { node: "weft-1", annotations: { "ovn.kubernetes.io/port_vips": "10.20.0.10" } });
  t.same(ports(facts)?.[0], { "virtual-ip": "10.20.0.10" });
});

t.test(
  "an address that another object has permanently, or that is invalid, is not a virtual port, and the condition reports it",
  async (t) => {
    const facts = sample([...VIPS, "10.20.0.1", "10.99.0.1", "x", "10.20.0.10"]);
    t.same(ports(facts)?.length, 2);
    t.match(notes(facts), [
      /^these entries of spec\.vips are ignored: 10\.20\.0\.1 is the gateway; 10\.99\.0\.1 is not in cidrBlock 10\.20\.0\.0\/28; "x" is not a valid address$/,
    ]);
    member(facts, "one", "10.20.0.10", "");
    const vip = { metadata: { name: "v", uid: "v" }, spec: { subnet: "web" }, status: { v4ip: "10.20.0.11" } };
    facts.set("vips", "v", projectVip(vip));
    facts.set("addressHolders", "vips/v", { key: "vips/v", subnet: "web", v4: "10.20.0.11", v6: "", who: "Vip v" });
    t.same(ports(facts), []);
    t.match(
      notes(facts)[1],
      /belong to others.*: 10\.20\.0\.10 \(IP object "one\.default"\), 10\.20\.0\.11 \(Vip v\)$/,
    );
  },
);

t.test("no pod is allocated such an address unless it requests it", async (t) => {
  const facts = sample();
  const { allocator, records } = rig(facts);
  allocator.start();
  for (let i = 0; i < 13; i++)
    addPod(facts, `p${i}`, { node: "weft-1", annotations: { "ovn.kubernetes.io/logical_switch": "web" } });
  const given = [...records].flatMap(([name, { lease }]) => (name.startsWith("p") ? [lease.v4] : []));
  t.equal(given.length, 11);
  for (const ip of VIPS) t.notOk(given.includes(ip), ip);
});
