// SPDX-License-Identifier: Apache-2.0

import { NODE_INTERFACE } from "../../api/names.ts";
import type { ClusterModel } from "../cluster-model.ts";
import type { Finding } from "./finding.ts";
import type { SeenNode, SeenPod } from "./on-node/node-view.ts";

/** Nodes that are not reached through the tunnels, and MTUs that do not fit together. */
export function diagnosePaths(model: ClusterModel, node: string, view: SeenNode): readonly Finding[] {
  return [...echoes(model, node, view), ...mtus(model, view)];
}

function echoes({ facts }: ClusterModel, node: string, { echoes, tunnel }: SeenNode): readonly Finding[] {
  const by = tunnel === undefined ? "" : `; the tunnels use ${tunnel.link}, MTU ${tunnel.mtu}`;
  return echoes.flatMap(({ node: to, address, small, full, size }): readonly Finding[] => {
    // A node that is not Ready is a finding of its own.
    if (full || facts.get("nodes", to)?.ready === false) return [];
    const about = { area: "node", object: `Node ${node}`, concerns: [to], severity: "error" } as const;
    if (!small)
      return [
        {
          ...about,
          problem: `does not reach node ${to} through the tunnels`,
          evidence: `three echo requests from ${NODE_INTERFACE} to ${address} were not answered`,
          remedy:
            "check that UDP 6081 (Geneve) passes between the nodes in both directions, and that ovn-controller and Open vSwitch run on both",
        },
      ];
    return [
      {
        ...about,
        problem: `packets of the full size do not reach node ${to}`,
        evidence: `echo requests of ${size} bytes that may not be fragmented, from ${NODE_INTERFACE} to ${address}, were not answered, small ones were${by}`,
        remedy: `the network between the nodes carries less than the interface's MTU: raise its MTU, or lower that of ${tunnel?.link ?? "the tunnels' interface"} on the nodes, or the chart's value mtu, and restart pods`,
      },
    ];
  });
}

function mtus({ facts, network }: ClusterModel, { pods, links }: SeenNode): readonly Finding[] {
  const carried = links.find(({ name }) => name === NODE_INTERFACE)?.mtu;
  return pods.flatMap(({ port, pod, interface: name, link }: SeenPod): readonly Finding[] => {
    const subnet = facts.get("subnets", network.ports.get(port)?.switch ?? "");
    if (subnet === undefined || link === undefined) return [];
    const overlay = subnet.vlan === "" && subnet.nodeNetwork === "";
    const about = { area: "pod", object: `Pod ${pod}`, severity: "warning" } as const;
    if (subnet.mtu !== 0 && link.mtu !== subnet.mtu)
      return [
        {
          ...about,
          problem: `interface ${name} has MTU ${link.mtu}, and its Subnet ${subnet.name} ${subnet.mtu}`,
          evidence: "ip link in the pod, and spec.mtu of the Subnet",
          remedy: "restart the pod: the MTU of a running pod does not follow its Subnet",
        },
      ];
    if (!overlay || carried === undefined || link.mtu <= carried) return [];
    return [
      {
        ...about,
        problem: `interface ${name} has MTU ${link.mtu}, and the tunnels carry ${carried}`,
        evidence: `ip link in the pod, and MTU of ${NODE_INTERFACE} on the node`,
        remedy:
          subnet.mtu === 0
            ? "restart the pod: the node's MTU has changed since it started"
            : `lower spec.mtu of Subnet ${subnet.name} to ${carried}, and restart its pods`,
      },
    ];
  });
}
