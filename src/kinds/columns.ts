// SPDX-License-Identifier: Apache-2.0

/** Columns of rows that several kinds write, see `Kind.rows`. */

/** Of an ACL. */
export const ACL_COLUMNS = [
  ...(["name", "direction", "priority", "match", "action", "tier"] as const),
  ...(["log", "severity", "meter", "options", "sample_new", "external_ids"] as const),
] as const;

/** Of a QoS rule. */
export const QOS_COLUMNS = ["priority", "direction", "match", "bandwidth", "external_ids"] as const;

/** Of a routing policy. */
export const POLICY_COLUMNS = ["priority", "match", "action", "nexthops", "external_ids"] as const;

/** Of the static route of a policy's next hop, see `resolveNextHop` in src/compile/vpc/policy-next-hop.ts. */
export const NEXT_HOP_COLUMNS = ["ip_prefix", "nexthop", "policy", "route_table", "options", "external_ids"] as const;

/** Of a translation of a router. */
export const NAT_COLUMNS = [
  ...(["type", "external_ip", "logical_ip", "external_mac", "logical_port", "options", "external_ids"] as const),
] as const;

/** Of a port of a switch. */
export const PORT_COLUMNS = ["name", "type", "addresses", "options", "external_ids"] as const;
