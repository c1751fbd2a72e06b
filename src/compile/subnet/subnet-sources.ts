// SPDX-License-Identifier: Apache-2.0

import { aclName, HAIRPIN_SOURCE, nodesAddressSet, PROBE_NETWORK } from "../../api/names.ts";
import type { SubnetFact } from "../../facts/subnet.ts";
import type { Dual } from "../../net/dual.ts";
import { holdAcl } from "../acl-row.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { routerId, switchId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";

/** Above everything that users can write: OVN's first tier, and its highest priorities (ovn-nb(5), ACL `priority`). */
const TIER = 0;
const PRIORITY = { uplink: 32767, drop: 32766 } as const;

const FAMILIES = [
  { key: "v4", number: 4, ip: "ip4" },
  { key: "v6", number: 6, ip: "ip6" },
] as const;

/** The priority of the router's policy: above everything that a VPC's spec can contain (ovn-nb(5), Logical_Router_Policy `priority`). */
const ROUTER_PRIORITY = 32767;

/** The addresses that a subnet's pods must not send from. */
export interface ReservedSources {
  /** The port of the subnet's switch towards its router; absent if there is none. */
  readonly uplink: string | undefined;
  /** Whether nodes are reached from here; only then their addresses are protected. */
  readonly nodes: boolean;
  /** The join subnet's addresses; only if nodes are reached from here. */
  readonly joinCidr: Dual<string>;
  /** The ranges of the VPC's other private subnets, which trust addresses of their own. */
  readonly privateCidrs: readonly string[];
}

/**
 * Drops what a port of the switch sends from an address that rules and hosts trust, whether or not the port has `port_security`: the subnet's
 * gateway, also in ARP; addresses of nodes, in the join subnet and their own; addresses of other private subnets; the source of probes in custom
 * VPCs; and the source that a pod sees when it reaches itself through a Service (`HAIRPIN_SOURCE`). OVN sets the last one after these ACLs, so before
 * them it is always spoofed. The router may send from all but that one.
 *
 * These ACLs need no conntrack: an ACL that drops is not stateful (ovn-northd(8), "from-lport" ACLs).
 *
 * Gateways of other subnets are not checked here: the number of flows would be quadratic. A router drops packets from one of its own IPv4 addresses
 * (ovn-northd(8), "L3 admission control"), and the policy here does the same for IPv6. Packets that the router itself sends from there pass policies
 * too, so ICMPv6 and TCP resets are excepted.
 */
export function addSourceGuard(
  build: FragmentBuilder,
  { name, vpc, gateway }: SubnetFact,
  { uplink, nodes, joinCidr, privateCidrs }: ReservedSources,
): void {
  const add = (rule: string, priority: number, match: string, action: "drop" | "pass"): void => {
    holdAcl(build, "Logical_Switch", switchId(name), `subnet/${name}/sources/${rule}`, {
      name: aclName("subnet", name, "sources"),
      stage: "from-lport",
      tier: TIER,
      priority,
      match,
      action,
      external_ids: externalIds({ subnet: name, sources: rule }),
    });
  };
  for (const { key, number, ip } of FAMILIES) {
    const own = gateway[key];
    const join = joinCidr[key];
    const sources = [
      ...(own === undefined ? [] : [own]),
      ...(join === undefined ? [] : [join]),
      HAIRPIN_SOURCE[key],
      PROBE_NETWORK[key].node,
      ...privateCidrs.filter((cidr) => cidr.includes(":") === (number === 6)),
      ...(nodes ? [`$${nodesAddressSet(number)}`] : []),
    ];
    add(key, PRIORITY.drop, `${ip}.src == {${sources.join(", ")}}`, "drop");
  }
  if (gateway.v4 !== undefined) add("arp", PRIORITY.drop, `arp.spa == ${gateway.v4}`, "drop");
  if (uplink === undefined) return;
  add("uplink", PRIORITY.uplink, `inport == ${JSON.stringify(uplink)}`, "pass");
  if (gateway.v6 === undefined) return;
  build.held("Logical_Router", routerId(vpc), "policies", "Logical_Router_Policy", `${name}/sources/v6`, {
    priority: ROUTER_PRIORITY,
    match: `ip6.src == ${gateway.v6} && (udp || sctp || (tcp && !tcp.flags[2]))`,
    action: "drop",
    nexthops: [],
    external_ids: externalIds({ subnet: name, sources: "v6" }),
  });
}
