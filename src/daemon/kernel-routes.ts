import { NODE_INTERFACE } from "../api/names.ts";
import { cidrOf } from "../net/cidr.ts";
import { linkLocalFromMac } from "../net/mac.ts";
import { type Address, deleteAddress, ensureAddress } from "../netlink/addresses.ts";
import {
  ensureRoute,
  listRoutes,
  ROUTE_PROTOCOL_KERNEL,
  ROUTE_TABLE_LOCAL,
  ROUTE_TABLE_MAIN,
  type Route,
  type RouteSpec,
} from "../netlink/routes.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";
import type { GatewayPlan } from "./gateway-plan.ts";

/** Metric of the route that the kernel makes of an IPv6 address' prefix (IP6_RT_PRIO_ADDRCONF, net/ipv6_route.h). */
const CONNECTED_METRIC_6 = 256;
/** Of `fe80::/64` (RFC 4291 §2.5.6). */
const LINK_LOCAL_PREFIX = 64;

/**
 * Puts back the routes that the kernel makes of an address of `ovn0` when the address is added, and never again: the one to its prefix, without
 * which no route by a gateway there can be added ("Nexthop has invalid gateway"), and the one of table `local`, without which the node does not
 * take packets for the address.
 * @param settled addresses that `ovn0` had before this pass: the kernel makes the routes of a new IPv6 address a moment later.
 * @returns what was missing, one entry a route.
 */
export function ensureKernelRoutes(
  host: NetlinkSocket,
  plan: GatewayPlan,
  index: number,
  settled: readonly Address[],
): readonly string[] {
  const present = listRoutes(host, { device: index });
  const repairs: string[] = [];
  for (const { ip, cidr } of [...plan.addresses, ...linkLocal(plan)]) {
    const known = settled.find(({ address, prefix }) => address === ip.text && prefix === cidr.prefix);
    if (known === undefined || known.tentative) continue;
    const connected: RouteSpec = {
      destination: cidr.text,
      device: index,
      protocol: ROUTE_PROTOCOL_KERNEL,
      ...(ip.family === 4 ? { source: ip.text } : { metric: CONNECTED_METRIC_6 }),
    };
    const local: RouteSpec = {
      destination: `${ip.text}/${ip.family === 4 ? 32 : 128}`,
      device: index,
      table: ROUTE_TABLE_LOCAL,
      type: "local",
      protocol: ROUTE_PROTOCOL_KERNEL,
      ...(ip.family === 4 && { source: ip.text }),
    };
    for (const route of [connected, local]) {
      if (present.some((candidate) => serves(candidate, route))) continue;
      if (ip.family === 6 && (route === local || known.scope === "link")) {
        // The kernel alone can make the local one such that it goes with the address; to replace fe80::/64 would take another interface's.
        const address = { index, address: ip.text, prefix: cidr.prefix };
        deleteAddress(host, address);
        ensureAddress(host, { ...address, noDad: true, ...(known.scope === "link" && { scope: "link" }) });
      } else {
        ensureRoute(host, route);
      }
      repairs.push(`route ${route === local ? "local " : ""}${route.destination} dev ${NODE_INTERFACE}`);
    }
  }
  return repairs;
}

/** The address that the kernel has given `ovn0` by its MAC: answers to its questions for neighbours come back to it. */
function linkLocal({ mac, addresses }: GatewayPlan): GatewayPlan["addresses"] {
  const ip = addresses.some((entry) => entry.ip.family === 6) ? linkLocalFromMac(mac) : undefined;
  const cidr = ip && cidrOf(ip, LINK_LOCAL_PREFIX);
  return ip === undefined || cidr === undefined ? [] : [{ ip, cidr }];
}

/** An IPv4 route to a prefix must also have the source, by which the node is known there. */
function serves(route: Route, wanted: RouteSpec): boolean {
  return (
    route.destination === wanted.destination &&
    route.table === (wanted.table ?? ROUTE_TABLE_MAIN) &&
    route.type === (wanted.type ?? "unicast") &&
    route.gateway === undefined &&
    (wanted.source === undefined || route.source === wanted.source)
  );
}
