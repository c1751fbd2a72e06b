// SPDX-License-Identifier: Apache-2.0

import type { FragmentBuilder } from "../fragment-builder.ts";
import { routerId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";

/** A routing table that no port has. */
const TABLE = "weft/policy-next-hops";

/**
 * Lets a router resolve the MAC address of the next hop of a policy (a `reroute`). northd writes the flow that solicits an IPv6 neighbor at the right multicast address for next hops of static
 * routes only. For others the Neighbor Solicitation goes to the solicited-node address of the packet's destination, where the next hop does not listen
 * (findings/ovn-policy-next-hop-is-solicited-elsewhere.sh). So it becomes the next hop of a static route that routes nothing. For IPv4 nothing is needed.
 */
export function resolveNextHop(build: FragmentBuilder, vpc: string, hop: string): void {
  const id = `${vpc}/next-hop/${hop}`;
  if (!hop.includes(":") || build.has("Logical_Router_Static_Route", id)) return;
  const columns = { ip_prefix: `${hop}/128`, nexthop: hop, policy: "dst-ip", route_table: TABLE } as const;
  build.shared("Logical_Router", routerId(vpc), "static_routes", "Logical_Router_Static_Route", id, {
    ...columns,
    options: {},
    external_ids: externalIds(),
  });
}
