// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { announcements } from "./announcements.ts";
import { announcedPod, announcedRecord, announcedSubnet } from "./watches.ts";

t.test("a subnet is announced while it serves pods, also while it waits for the last of them", async (t) => {
  const cidrs = (status: "True" | "False", reason: string, spec: object = {}) =>
    announcedSubnet(
      {
        metadata: { name: "a", uid: "u", resourceVersion: "1" },
        spec: { cidrBlock: "10.16.0.0/16, fd00::/112", ...spec },
        status: { conditions: [{ type: "Ready", status, reason }] },
      } as never,
      "ovn-cluster",
    ).cidrs;
  const both = ["10.16.0.0/16", "fd00::/112"];
  t.same(cidrs("True", "Ready"), both);
  t.same(cidrs("False", "InUse"), both, "it is being deleted, and pods use it");
  t.same(cidrs("False", "VpcNotFound"), []);
  t.same(cidrs("True", "Ready", { vlan: "v100" }), [], "a network outside");
});

t.test("what a pod's author writes into its annotations decides no address", async (t) => {
  const meta = (name: string, more: object = {}) => ({ name, uid: `uid-${name}`, resourceVersion: "1", ...more });
  const pod = (name: string, address: string) =>
    announcedPod(
      {
        metadata: meta(name, {
          namespace: "team-a",
          annotations: {
            "ovn.kubernetes.io/bgp": "true",
            "ovn.kubernetes.io/routed": "true",
            "ovn.kubernetes.io/ip_address": address,
            "ovn.kubernetes.io/logical_switch": "ovn-default",
          },
        }),
        spec: { nodeName: "weft-1" },
      } as never,
      "weft-1",
    );
  const record = announcedRecord({
    metadata: meta("evil.team-a", { annotations: { "weft.kubeovn.io/pod-uid": "uid-evil" } }),
    spec: { podName: "evil", namespace: "team-a", subnet: "ovn-default", v4IpAddress: "10.16.0.6" },
  } as never);
  const subnet = { name: "ovn-default", vpc: "ovn-cluster", policy: undefined, cidrs: ["10.16.0.0/16"] };
  const facts = {
    ...{ subnets: [subnet], pods: [pod("evil", "10.16.0.5")!], records: [record!] },
    ...{ services: [], eips: [], hasEndpoint: () => false },
  };
  const settings = { node: "weft-1", defaultVpc: "ovn-cluster", announceClusterIp: false, externalRanges: [] };
  t.same(
    announcements(facts, settings).map(({ prefix }) => prefix),
    ["10.16.0.6/32"],
    "its own address, not the one of the victim that its annotation has",
  );
  const reserved = { metadata: meta("kept"), spec: { subnet: "ovn-default", v4IpAddress: "10.16.0.9" } };
  t.equal(announcedRecord(reserved as never), undefined, "a reservation is no pod's");
});
