// SPDX-License-Identifier: Apache-2.0

/**
 * The keys of maps that belong to Weft. OVN's tools, northd and other programs store keys of their own in
 * `external_ids`, `options` and `other_config` of Weft's rows: these are not changed, and only keys listed here are
 * written and removed. All other maps (the addresses of a load balancer, the options of `DHCP_Options`, router
 * advertisements) define what a row does, so all of their keys belong to Weft.
 *
 * A key that is no longer written stays listed here as long as a cluster may have it.
 */

import { VENDOR_KEY } from "../api/names.ts";
import { OWNER_KEY } from "../desired/identity.ts";

const EXTERNAL_IDS: ReadonlySet<string> = new Set([
  ...[VENDOR_KEY, OWNER_KEY, "ls", "pod", "provider", "shared-by", "subnet", "node", "np", "address-family"],
  ...["policy", "rule", "selector", "sources", "type", "sg", "security_groups", "ippool", "protocol", "port"],
  ...["namespace", "service", "vpc", "domain", "lrp", "ipv4_network", "ipv6_network"],
]);

/** One for each group of a pod, as Kube-OVN's tools expect. */
const SECURITY_GROUP = "associated_sg_";

/** Table → keys of its column `options`. */
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  ACL: ["apply-after-lb"],
  Logical_Router_Port: ["route_table", "bfd-only"],
  Logical_Router_Static_Route: ["ecmp_symmetric_reply"],
  Load_Balancer: ["reject", "hairpin_snat_ip", "ct_flush", "affinity_timeout", "template", "address-family"],
  Load_Balancer_Health_Check: ["interval", "timeout", "success_count", "failure_count"],
  NAT: ["stateless"],
  Logical_Router: ["chassis", "always_learn_from_arp_request", "dynamic_neigh_routers", "mac_binding_age_threshold"],
  Logical_Switch_Port: [
    ...["router-port", "nat-addresses", "virtual-ip", "virtual-parents", "arp_proxy", "disable_arp_nd_rsp"],
    ...["requested-chassis", "activation-strategy", "network_name"],
  ],
};

/** Table → keys of its column `other_config`. */
const OTHER_CONFIG: Readonly<Record<string, readonly string[]>> = {
  Logical_Switch: ["mcast_snoop", "mcast_querier", "mcast_eth_src", "mcast_ip4_src", "mcast_ip6_src"],
};

/** Whether a map of a table is shared with other programs, so that only Weft's keys are compared. */
export function isSharedMap(table: string, column: string): boolean {
  // A routing policy has a key for each gateway node, as Kube-OVN's tools expect: any key may be an old one of Weft.
  if (column === "external_ids") return table !== "Logical_Router_Policy";
  return column === "other_config" || (column === "options" && table !== "DHCP_Options");
}

/** Whether a key of such a map belongs to Weft. */
export function isOwnKey(table: string, column: string, key: string): boolean {
  if (column === "external_ids") return EXTERNAL_IDS.has(key) || key.startsWith(SECURITY_GROUP);
  return (column === "other_config" ? OTHER_CONFIG : OPTIONS)[table]?.includes(key) === true;
}

/** Throws if a row has a key in a shared map that is not declared here: it would never be removed. */
export function checkMapKeys(table: string, columns: Readonly<Record<string, unknown>>): void {
  for (const column of ["external_ids", "options", "other_config"]) {
    const map = columns[column];
    if (map === undefined || !isSharedMap(table, column)) continue;
    for (const key of Object.keys(map as object)) {
      if (!isOwnKey(table, column, key))
        throw new Error(`key ${key} of ${table}.${column} is not declared in map-keys.ts`);
    }
  }
}
