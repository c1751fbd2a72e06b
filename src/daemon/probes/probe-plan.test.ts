// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { encodePodInterface } from "../../contract/pod.ts";
import type { SubnetContract } from "../../contract/subnet.ts";
import { cidrContains, parseCidr } from "../../net/cidr.ts";
import type { NodePod } from "../pods/pods.ts";
import { planProbes } from "./probe-plan.ts";

const RANGE = ["10.16.0.0/16", "fd00:10:16::/112"].map((text) => parseCidr(text)!);
const PLAIN: SubnetContract = { cidrs: RANGE, natOutgoing: true, gatewayType: "distributed", mtu: 0 };
const of = (vpc: string): SubnetContract => ({ ...PLAIN, cidrs: [], probe: { vpc, cidrs: RANGE } });
const CONTRACTS: Record<string, SubnetContract | string> = { "ovn-default": PLAIN, a: of("vpc-a"), b: of("vpc-b") };

/** A pod; `age` determines its time of creation. */
function pod(name: string, subnet: string, last: number, probePorts: readonly number[], age = 0): NodePod {
  const annotations = encodePodInterface("ovn", {
    onOvn: true,
    addresses: { v4: `10.16.0.${last}`, v6: `fd00:10:16::${last}` },
    mac: "02:00:00:00:00:07",
    cidr: { v4: "10.16.0.0/16", v6: "fd00:10:16::/112" },
    gateway: { v4: "10.16.0.1", v6: "fd00:10:16::1" },
    subnet,
    router: "r",
  });
  return {
    ...{
      name,
      namespace: "shop",
      uids: [name],
      created: `2026-01-0${9 - age}T00:00:00Z`,
      deleting: false,
      ended: false,
    },
    annotations: annotations as Record<string, string>,
    probePorts,
  };
}

function plan(pods: readonly NodePod[], contracts = CONTRACTS, network = "172.18.0.0/24") {
  const near = parseCidr(network)!;
  const result = planProbes(pods, {
    contractOf: (subnet) => contracts[subnet],
    nearby: (ip) => (cidrContains(near, ip) ? near.text : undefined),
  });
  if (typeof result === "string") return result;
  const vpcs = [...result.vpcs].map(
    ([vpc, targets]) => `${vpc}: ${targets.map(({ ip, port }) => `${ip.text} ${port}`).join(", ")}`,
  );
  return { vpcs, unprobed: result.unprobed.map(({ pod, message }) => `${pod.name}: ${message}`) };
}

t.test("the targets are the probed ports of pods of custom VPCs, in a fixed order", async (t) => {
  const pods = [
    pod("x", "b", 8, [80]),
    pod("web", "a", 7, [81, 80]),
    pod("idle", "a", 9, []),
    pod("d", "ovn-default", 3, [80]),
  ];
  const wanted = [
    "vpc-a: 10.16.0.7 80, 10.16.0.7 81, fd00:10:16::7 80, fd00:10:16::7 81",
    "vpc-b: 10.16.0.8 80, fd00:10:16::8 80",
  ];
  t.same(plan(pods), { vpcs: wanted, unprobed: [] });
  t.same(plan(pods.toReversed()), { vpcs: wanted, unprobed: [] });
});

t.test(
  "pods of two VPCs may have one address if their ports differ; of those with one port the oldest is probed",
  async (t) => {
    t.match(plan([pod("x", "a", 7, [80]), pod("y", "b", 7, [81])]), { unprobed: [] });
    const [young, old] = [pod("young", "a", 7, [80, 81]), pod("old", "b", 7, [80], 3)];
    const result = plan([young, old]);
    t.match(result, { vpcs: ["vpc-a: 10.16.0.7 81, fd00:10:16::7 81", "vpc-b: 10.16.0.7 80, fd00:10:16::7 80"] });
    t.match(result, { unprobed: [/^young: .* pod shop\/old of VPC vpc-b has 10\.16\.0\.7 and port 80 too/] });
    t.match(plan([{ ...old, ended: true }, young]), { unprobed: [] }, "a finished pod does not use its address");
  },
);

t.test("an address that the node uses otherwise is not sent into a VPC", async (t) => {
  const mine = pod("mine", "a", 7, [80], 3);
  t.match(plan([mine, pod("theirs", "ovn-default", 7, [])]), {
    vpcs: [],
    unprobed: [/^mine: .* pod shop\/theirs of the default VPC has 10\.16\.0\.7 too/],
  });
  t.match(plan([mine], CONTRACTS, "10.16.0.0/24"), {
    vpcs: ["vpc-a: fd00:10:16::7 80"],
    unprobed: [/^mine: .* 10\.16\.0\.7 is in 10\.16\.0\.0\/24, a network of this node/],
  });
});

t.test("an annotation cannot send an address into a VPC that is not in the subnet's range", async (t) => {
  const forged = pod("forged", "a", 7, [443]);
  const annotations = { ...forged.annotations, "ovn.kubernetes.io/ip_address": "198.51.100.1" };
  t.same(plan([{ ...forged, annotations }]), { vpcs: [], unprobed: [] });
});

t.test(
  "while a subnet's contract is not known nothing is decided; a pod without address or subnet is left out",
  async (t) => {
    t.equal(plan([pod("web", "a", 7, [80])], { a: "malformed" }), "malformed");
    t.same(plan([{ ...pod("web", "a", 7, [80]), annotations: {} }, pod("x", "gone", 8, [80])]), {
      vpcs: [],
      unprobed: [],
    });
  },
);
