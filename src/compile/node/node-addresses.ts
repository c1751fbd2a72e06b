// SPDX-License-Identifier: Apache-2.0

import { NODE } from "../../api/annotations.ts";
import { commaList } from "../../collections/comma-list.ts";
import type { ClusterFact } from "../../facts/cluster.ts";
import type { NodeFact } from "../../facts/node.ts";
import type { FactReader } from "../../facts/store.ts";
import { isUnderlay } from "../../facts/underlay.ts";
import { type Ip, parseIp } from "../../net/address.ts";
import { cidrContains, parseCidr } from "../../net/cidr.ts";
import type { Dual } from "../../net/dual.ts";
import { rangesOfServices } from "../service/service-ranges.ts";

/** Why an InternalIP of a node is not trusted. */
export interface RefusedAddress {
  readonly reason: "NotUnique" | "PodAddress" | "ServiceAddress" | "ApiServerAddress" | "OutsideNodeRanges";
  /** A sentence that names the address. */
  readonly message: string;
}

/** The trusted and the refused InternalIPs of a node. */
export interface NodeAddresses {
  readonly accepted: Dual<string>;
  readonly refused: readonly RefusedAddress[];
}

/** The Service of the API server. */
const API_SERVER = "default/kubernetes";
/** Labels that kubelets cannot set on their own nodes (admission plugin NodeRestriction). */
const CONTROL_PLANE = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

/**
 * Decides which InternalIPs of a node are trusted. Its kubelet writes them, and pods' traffic to them is routed to the node: with a stolen kubelet
 * credential one could otherwise name any address and receive that traffic. An address is trusted if no other node names it (or none had it before),
 * no pod and no Service has it, it is not an API server's (except on nodes of the control plane), and it is in the nodes' networks, according to the
 * administrator or to the controller's own host.
 */
export function judgeNodeAddresses(reader: FactReader, node: NodeFact, cluster: ClusterFact): NodeAddresses {
  const accepted: { v4?: string; v6?: string } = {};
  const refused: RefusedAddress[] = [];
  for (const family of ["v4", "v6"] as const) {
    const text = node.internal[family];
    const ip = text === undefined ? undefined : parseIp(text);
    if (ip === undefined) continue;
    const why = refusal(reader, node, cluster, ip);
    if (why === undefined) accepted[family] = ip.text;
    else refused.push({ reason: why.reason, message: `its InternalIP ${ip.text} is not used: ${why.message}` });
  }
  return { accepted, refused };
}

function refusal(reader: FactReader, node: NodeFact, cluster: ClusterFact, ip: Ip): RefusedAddress | undefined {
  const others = reader.by("nodes", "internal", ip.text).filter(({ name }) => name !== node.name);
  const hadIt = hasIn(node, ip) && !others.some((other) => hasIn(other, ip));
  if (others.length > 0 && !hadIt) {
    const names = others.map(({ name }) => name).sort();
    return { reason: "NotUnique", message: `node ${names.slice(0, 3).join(", ")} has the same address` };
  }
  const subnet = reader.get("nodeSubnets", node.name)?.[ip.family === 4 ? "v4" : "v6"];
  if (subnet !== undefined) return { reason: "PodAddress", message: `it is in subnet ${subnet}` };
  // In an underlay subnet, which may be the nodes' network, only addresses that are free or of nodes are trusted.
  const holder = reader.by("ips", "address", ip.text).find((one) => isInUnderlay(reader, one.subnet));
  if (holder !== undefined) return { reason: "PodAddress", message: `IP ${holder.name} has it` };
  const services = rangesOfServices(reader);
  if (holds(services, ip))
    return { reason: "ServiceAddress", message: `it is in the range of Services (${services.join(", ")})` };
  const slices = reader.by("endpointSlices", "service", API_SERVER);
  const isApiServer = slices.some(({ endpoints }) => endpoints.some(({ address }) => address === ip.text));
  if (isApiServer && !CONTROL_PLANE.some((label) => label in node.labels)) {
    const message = `it is the API server's, and the node has no label ${CONTROL_PLANE[0]}`;
    return { reason: "ApiServerAddress", message };
  }
  if (!holds(cluster.nodeRanges, ip)) {
    const ranges = cluster.nodeRanges.join(", ") || "none is known";
    const message = `it is in none of the nodes' networks (${ranges}); if the address is correct, add its network to the chart's controller.nodeCIDRs (--node-cidrs)`;
    return { reason: "OutsideNodeRanges", message };
  }
  return undefined;
}

function isInUnderlay(reader: FactReader, name: string): boolean {
  const subnet = reader.get("subnets", name);
  return subnet !== undefined && isUnderlay(subnet);
}

/**
 * Whether the controller has recorded that it uses the address. A kubelet can write that too, but only on its own node: then no node has the address,
 * and none takes it from its former owner.
 */
function hasIn({ annotations }: NodeFact, ip: Ip): boolean {
  return commaList(annotations[NODE.source] ?? "").some((text) => parseIp(text)?.text === ip.text);
}

function holds(cidrs: readonly string[], ip: Ip): boolean {
  return cidrs.some((text) => {
    const cidr = parseCidr(text);
    return cidr !== undefined && cidr.family === ip.family && cidrContains(cidr, ip);
  });
}
