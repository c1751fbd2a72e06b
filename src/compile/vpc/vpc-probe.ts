// SPDX-License-Identifier: Apache-2.0

import { PROBE_MAC, PROBE_NETWORK, probePortName, probeSwitchName } from "../../api/names.ts";
import { stableMac } from "../../desired/identity.ts";
import { holdAcl } from "../acl-row.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { probeSwitchId, routerId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";

/** The highest (ovn-nb(5), ACL and Logical_Router_Policy `priority`): nothing that a VPC's spec says goes before. A port may only be matched, not excluded, so there are two. */
const PRIORITY = { first: 32767, second: 32766 } as const;

const FAMILIES = [
  { key: "v4", ip: "ip4" },
  { key: "v6", ip: "ip6" },
] as const;

/**
 * How nodes reach the pods of a custom VPC for kubelet's probes: a switch with one port to the VPC's router and one of type `localport`, which each node that runs such pods binds to
 * an interface of its own (ovn-nb(5), Logical_Switch_Port `type`). The rows are the VPC's: neither nodes nor subnets add any. A switch of all VPCs together would
 * make every VPC's flows a matter of every node, and join what is to be apart.
 *
 * - **To pods**: what a node sends by it goes where the router's own networks lead, whatever the VPC's policies say.
 * - **Back**: what is sent to the node's address there goes to this port whatever the VPC's routes and policies say, on the chassis where the pod runs. Only TCP packets that are no
 *   requests pass the port, so a pod cannot reach a node by it. (The node drops what its conntrack does not know, `src/daemon/probes/probe-rules.ts`.)
 * - **Nobody else is believed to be a node**: the router drops that source from all its other ports, and the subnets' switches from pods' ports (`subnet-sources.ts`).
 */
export function addVpcProbe(build: FragmentBuilder, vpc: string): void {
  const name = probeSwitchName(vpc);
  const port = probePortName(vpc);
  const [routerPort, switchPort] = [`${name}/router`, `${name}/switch`];
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
  // Bit 4 of the flags is ACK, which only the first packet of a connection lacks. Neighbour discovery is IP too.
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

/** What a router drops as sent by no node: the source that `node-acls.ts` lets in everywhere. In the default VPC that is all of it, for nodes have another way there. */
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
