// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { type AnnouncementSettings, announcements, recordedAddress, type SpeakerFacts } from "./announcements.ts";

const SETTINGS: AnnouncementSettings = {
  ...{ node: "weft-1", defaultVpc: "ovn-cluster", announceClusterIp: false, externalRanges: [] },
};
const DEFAULT = {
  ...{ name: "ovn-default", vpc: "ovn-cluster", policy: undefined, cidrs: ["10.16.0.0/16", "fd00:10:16::/112"] },
};
const WEB = {
  ...({ key: "default/web", policy: "cluster", vpc: "", clusterIps: ["10.96.0.7"], nodeLocal: false } as const),
  ...{ ingressIps: ["192.0.2.7"], externalIps: ["198.51.100.7", "8.8.8.8"] },
};

function said(facts: Partial<SpeakerFacts>, settings: Partial<AnnouncementSettings> = {}): readonly string[] {
  const all = { subnets: [DEFAULT], pods: [], records: [], services: [], eips: [], hasEndpoint: () => false, ...facts };
  return announcements(all, { ...SETTINGS, ...settings }).map(
    ({ prefix, nextHop }) => prefix + (nextHop === undefined ? "" : ` by ${nextHop}`),
  );
}

/** A pod whose interface is set up, and the record of its addresses. */
function pod(node: string, policy: "cluster" | "local" | undefined, ...addresses: string[]) {
  const uid = addresses.join();
  return {
    pods: [{ uid, node, policy, providers: ["ovn"] }],
    records: [record(uid, ...addresses)],
  };
}

function record(uid: string, ...addresses: string[]) {
  const read = addresses.flatMap((address) => recordedAddress(address) ?? []);
  return { pod: uid, provider: "ovn", subnet: "ovn-default", addresses: read };
}

t.test("a pod is announced by every node, or by its own", async (t) => {
  const addresses = ["10.16.0.5", "fd00:10:16::5"];
  const prefixes = ["10.16.0.5/32", "fd00:10:16::5/128"];
  t.same(said(pod("weft-2", "cluster", ...addresses)), prefixes);
  t.same(said(pod("weft-1", "local", ...addresses)), prefixes);
  t.same(said(pod("weft-2", "local", ...addresses)), []);
  t.same(said(pod("weft-1", undefined, ...addresses)), []);
});

t.test("a subnet is announced as a whole by every node, or its pods by their own nodes", async (t) => {
  const cluster = { ...DEFAULT, policy: "cluster" as const };
  const local = { ...DEFAULT, policy: "local" as const };
  const [one, two] = [pod("weft-1", undefined, "10.16.0.5"), pod("weft-1", "cluster", "10.16.0.6")];
  const both = { pods: [...one.pods, ...two.pods], records: [...one.records, ...two.records] };
  t.same(said({ subnets: [cluster], ...both }), ["10.16.0.0/16", "10.16.0.6/32", "fd00:10:16::/112"]);
  t.same(said({ subnets: [local], ...both }), ["10.16.0.5/32", "10.16.0.6/32"]);
  t.same(said({ subnets: [{ ...cluster, vpc: "team-a" }] }), [], "nodes do not reach another VPC");
});

t.test("an address that is not in the subnet of its record is not announced", async (t) => {
  t.same(said(pod("weft-1", "cluster", "8.8.8.8", "no address")), []);
  t.same(said({ subnets: [], ...pod("weft-1", "cluster", "10.16.0.5") }), [], "an unknown subnet");
});

t.test("a pod is announced with the addresses of its own record only", async (t) => {
  const { pods } = pod("weft-1", "cluster", "10.16.0.5");
  t.same(said({ pods, records: [record("another", "10.16.0.5")] }), [], "the record is another pod's");
  t.same(said({ pods }), [], "without a record");
  const further = { ...record(pods[0]!.uid, "10.16.0.6"), provider: "net1.team-a.ovn" };
  t.same(said({ pods, records: [further] }), [], "the interface is not set up");
});

t.test("of a Service, the addresses that nodes serve are announced", async (t) => {
  t.same(said({ services: [WEB] }), ["192.0.2.7/32"]);
  t.same(said({ services: [WEB] }, { announceClusterIp: true }), ["10.96.0.7/32", "192.0.2.7/32"]);
  t.same(said({ services: [WEB] }, { externalRanges: ["198.51.100.0/24"] }), ["192.0.2.7/32", "198.51.100.7/32"]);
  t.same(said({ services: [{ ...WEB, vpc: "team-a" }] }), [], "of another VPC");
});

t.test("a Service that is local is announced by nodes with a ready endpoint", async (t) => {
  for (const local of [
    { ...WEB, policy: "local" as const },
    { ...WEB, nodeLocal: true },
  ]) {
    t.same(said({ services: [local] }), []);
    t.same(said({ services: [local], hasEndpoint: (key) => key === "default/web" }), ["192.0.2.7/32"]);
  }
});

t.test("an OvnEip is announced with the router of its VPC as its next hop", async (t) => {
  const eip = {
    ...{ name: "shop", subnet: "external", type: "nat", vpc: "team-a", policy: "cluster" as const },
    addresses: ["172.31.77.110", "fd00:31:77::110"],
  };
  const port = { ...eip, name: "team-a-external", type: "lrp", policy: undefined, addresses: ["172.31.77.100"] };
  t.same(said({ eips: [eip, port] }), ["172.31.77.110/32 by 172.31.77.100"], "in the families of the router");
  t.same(said({ eips: [eip] }), [], "no router");
  const broken = { ...port, addresses: ["1.1.1.1; }; } protocol kernel { ipv4 { export all; }; } #"] };
  t.same(said({ eips: [eip, broken] }), [], "a text that is no address is not written into BIRD's configuration");
  t.same(said({ eips: [{ ...eip, vpc: "" }, port] }), [], "nothing uses it");
  t.same(said({ eips: [eip, { ...port, type: "nat" }] }), [], "the name is another's");
});
