// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { type AnnouncementSettings, announcements, podAddress, type SpeakerFacts } from "./announcements.ts";

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
  const all = { subnets: [DEFAULT], pods: [], services: [], eips: [], hasEndpoint: () => false, ...facts };
  return announcements(all, { ...SETTINGS, ...settings }).map(
    ({ prefix, nextHop }) => prefix + (nextHop === undefined ? "" : ` by ${nextHop}`),
  );
}

function pod(node: string, policy: "cluster" | "local" | undefined, ...addresses: string[]) {
  return { node, policy, addresses: addresses.flatMap((address) => podAddress("ovn-default", address) ?? []) };
}

t.test("a pod is announced by every node, or by its own", async (t) => {
  const addresses = ["10.16.0.5", "fd00:10:16::5"];
  const prefixes = ["10.16.0.5/32", "fd00:10:16::5/128"];
  t.same(said({ pods: [pod("weft-2", "cluster", ...addresses)] }), prefixes);
  t.same(said({ pods: [pod("weft-1", "local", ...addresses)] }), prefixes);
  t.same(said({ pods: [pod("weft-2", "local", ...addresses)] }), []);
  t.same(said({ pods: [pod("weft-1", undefined, ...addresses)] }), []);
});

t.test("a subnet is announced as a whole by every node, or its pods by their own nodes", async (t) => {
  const cluster = { ...DEFAULT, policy: "cluster" as const };
  const local = { ...DEFAULT, policy: "local" as const };
  const pods = [pod("weft-1", undefined, "10.16.0.5"), pod("weft-1", "cluster", "10.16.0.6")];
  t.same(said({ subnets: [cluster], pods }), ["10.16.0.0/16", "10.16.0.6/32", "fd00:10:16::/112"]);
  t.same(said({ subnets: [local], pods }), ["10.16.0.5/32", "10.16.0.6/32"]);
  t.same(said({ subnets: [{ ...cluster, vpc: "team-a" }] }), [], "nodes do not reach another VPC");
});

t.test("an address that is not in the pod's subnet is not announced", async (t) => {
  t.same(said({ pods: [pod("weft-1", "cluster", "8.8.8.8", "no address")] }), []);
  t.same(said({ subnets: [], pods: [pod("weft-1", "cluster", "10.16.0.5")] }), [], "an unknown subnet");
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
