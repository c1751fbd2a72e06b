// SPDX-License-Identifier: Apache-2.0

import { PROBE_MAC, PROBE_NETWORK, probePortName, probeRouterPortName, probeSwitchName } from "../../api/names.ts";
import { stableMac } from "../../desired/identity.ts";
import { holdAcl } from "../acl-row.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { probeSwitchId, routerId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";

/**
 * The highest priorities (ovn-nb(5), ACL and Logical_Router_Policy `priority`): nothing in a VPC's spec comes before them. Two are needed, because a
 * policy can match a port but not exclude one.
 */
const PRIORITY = { first: 32767, second: 32766 } as const;

const FAMILIES = [
  { key: "v4", ip: "ip4" },
  { key: "v6", ip: "ip6" },
] as const;

/**
 * Adds the rows by which nodes reach the pods of a custom VPC for kubelet's probes: a switch with a port to the VPC's router and a port of type
 * `localport`, which each node with such pods binds to an interface of its own (ovn-nb(5), Logical_Switch_Port `type`). Nodes and subnets add no
 * rows. One switch for all VPCs would connect VPCs that must be isolated, and every node would have the flows of every VPC.
 *
 * - **To pods**: packets from a node follow the routes to the router's own networks, whatever the VPC's policies are.
 * - **Back**: packets to the node's address go to this port on the chassis of the pod, whatever the VPC's routes and policies are. The port lets only
 *   TCP packets with ACK pass, so a pod cannot open a connection to a node. (The node drops packets that its conntrack does not know,
 *   `src/daemon/probes/probe-rules.ts`.)
 * - **Spoofing**: the router drops the node's source address from all its other ports, and the subnets' switches drop it from pods' ports
 *   (`subnet-sources.ts`).
 */
export function addVpcProbe(build: FragmentBuilder, vpc: string): void {
  const name = probeSwitchName(vpc);
  const port = probePortName(vpc);
  const [routerPort, switchPort] = [probeRouterPortName(vpc), `${name}/switch`];
  const holder = probeSwitchId(vpc);
  const ids = externalIds({ vpc });
  build.row("Logical_Switch", holder, { name, external_ids: ids });
  build.held("Logical_Router", routerId(vpc), "ports", "Logical_Router_Port", routerPort, {
    name: routerPort,
    mac: stableMac(routerPort),
    networks: [`${PROBE_NETWORK.v4.router}/30`, `${PROBE_NETWORK.v6.router}/126`],
    external_ids: ids,
  });
  build.held("Logical_Switch", holder, "ports", "Logical_Switch_Port", switchPort, {
    name: switchPort,
    type: "router",
    addresses: ["router"],
    options: { "router-port": routerPort },
    external_ids: ids,
  });
  build.held("Logical_Switch", holder, "ports", "Logical_Switch_Port", port, {
    name: port,
    type: "localport",
    addresses: [`${PROBE_MAC} ${PROBE_NETWORK.v4.node} ${PROBE_NETWORK.v6.node}`],
    external_ids: ids,
  });
  const to = `outport == ${JSON.stringify(port)}`;
  const node = FAMILIES.map(({ key, ip }) => `${ip}.dst == ${PROBE_NETWORK[key].node}`).join(" || ");
  const acl = (rule: string, priority: number, match: string, action: "allow" | "drop"): void =>
    holdAcl(build, "Logical_Switch", holder, `${holder}/${rule}`, {
      ...{ name, stage: "to-lport", tier: 0, priority, match, action },
      external_ids: ids,
    });
  // Bit 4 of the flags is ACK; only the first packet of a connection does not have it. Neighbour discovery is IP too.
  acl("replies", PRIORITY.first, `${to} && (nd || (tcp.flags[4] && (${node})))`, "allow");
  acl("requests", PRIORITY.second, `${to} && ip`, "drop");
  const inport = `inport == ${JSON.stringify(routerPort)}`;
  addPolicy(build, vpc, "to-pods", PRIORITY.first, inport, "allow");
  for (const { key, ip } of FAMILIES) {
    const hop = PROBE_NETWORK[key].node;
    addPolicy(build, vpc, `back-${key}`, PRIORITY.first, `${ip}.dst == ${hop}`, "reroute", hop);
  }
  addProbeSourceGuard(build, vpc);
}

/**
 * The packets that a router drops because no node has sent them: those from the source address that `node-acls.ts`
 * allows everywhere. The default VPC's router drops all of them, because nodes reach its pods in another way.
 */
export function addProbeSourceGuard(build: FragmentBuilder, vpc: string): void {
  const sources = FAMILIES.map(({ key, ip }) => `${ip}.src == ${PROBE_NETWORK[key].node}`).join(" || ");
  addPolicy(build, vpc, "sources", PRIORITY.second, sources, "drop");
}

function addPolicy(
  build: FragmentBuilder,
  vpc: string,
  rule: string,
  priority: number,
  match: string,
  action: "allow" | "drop" | "reroute",
  hop?: string,
): void {
  const id = `${probeSwitchId(vpc)}/${rule}`;
  build.held("Logical_Router", routerId(vpc), "policies", "Logical_Router_Policy", id, {
    ...{ priority, match, action },
    nexthops: hop === undefined ? [] : [hop],
    external_ids: externalIds({ vpc }),
  });
}
