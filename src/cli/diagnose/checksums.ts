// SPDX-License-Identifier: Apache-2.0

import type { Finding } from "./finding.ts";
import type { ChecksumCounters, SeenNode } from "./on-node/node-view.ts";

/** Single packets are damaged on every network. */
const MANY = 20;
const SHARE = 0.01;

/** Checksums that nothing computes, and packets that arrived with a wrong one. */
export function diagnoseChecksums(node: string, { userspace, tunnel, pods, checksums }: SeenNode): readonly Finding[] {
  const found: Finding[] = [];
  const remedy = (device: string, where: string): string =>
    `ethtool -K ${device} tx off ${where}; a restart of ${where === "in the pod" ? "the pod" : "DaemonSet ovs-ovn's pod there"} does it too`;
  if (userspace && tunnel?.offload === true)
    found.push({
      ...{ area: "node", object: `Node ${node}`, severity: "error" },
      problem: `checksums of packets from ${tunnel.link} are left to a network card`,
      evidence: `ethtool -k ${tunnel.link}: tx-checksumming is on, and the datapath in user space does not complete checksums`,
      remedy: remedy(tunnel.link, "on the node"),
    });
  for (const { pod, interface: name, offload } of pods)
    if (userspace && offload)
      found.push({
        ...{ area: "pod", object: `Pod ${pod}`, severity: "error" },
        problem: `checksums of packets from ${name} are left to a network card`,
        evidence: `ethtool -k ${name} in the pod: tx-checksumming is on, and the datapath in user space does not complete checksums`,
        remedy: remedy(name, "in the pod"),
      });
  for (const [area, object, counters] of [
    ["node", `Node ${node}`, checksums] as const,
    ...pods.map(({ pod, checksums: own }) => ["pod", `Pod ${pod}`, own] as const),
  ])
    if (isMany(counters))
      found.push({
        ...{ area, object, severity: "warning" },
        problem: "packets arrive with wrong checksums",
        evidence: `${counters.wrong} of ${counters.received + counters.wrong} TCP segments and UDP datagrams (InCsumErrors in /proc/net/snmp) since the network namespace exists`,
        remedy:
          "turn off checksum offload of the interface that tunnels of the sending nodes use (`ethtool -K DEVICE tx off`, or tx-udp_tnl-csum-segmentation off): some cards compute them wrongly for Geneve",
      });
  return found;
}

function isMany({ wrong, received }: ChecksumCounters): boolean {
  return wrong >= MANY && wrong / (wrong + received) >= SHARE;
}
