// SPDX-License-Identifier: Apache-2.0

import { samePlain } from "../../collections/plain.ts";
import { parseIp } from "../../net/address.ts";
import { cidrOf } from "../../net/cidr.ts";
import type { Address } from "../../netlink/addresses.ts";
import type { Neighbour, NeighbourState } from "../../netlink/neighbours.ts";
import { ROUTE_PROTOCOL_KERNEL, ROUTE_TABLE_LOCAL, type Route, type RouteSpec } from "../../netlink/routes.ts";
import type { NodeKernel } from "../../node/kernel.ts";
import type { UplinkAddress, UplinkHop, UplinkNeighbour, UplinkRoute, UplinkState } from "./uplink-record.ts";

/** linux/if_addr.h, of IPv6: made by privacy extensions, and no longer to be used for new connections. */
const IFA_F_TEMPORARY = 0x01;
const IFA_F_DEPRECATED = 0x20;

/** What {@link observeState} finds on a device. */
export interface ObservedState {
  readonly state: UplinkState;
  /**
   * IPv6 addresses of it that do not work yet. The kernel joins the group for questions about an address and adds its local route some time after the request, by a queue that all
   * network namespaces share (net/ipv6/addrconf.c, `addrconf_dad_work`), also without duplicate address detection.
   */
  readonly pending: readonly string[];
  /** The neighbours that the kernel has resolved and considers reachable. */
  readonly learned: readonly UplinkNeighbour[];
}

/** The state of a device for the node's own traffic, without what the kernel derives from an address and without link-local addresses. */
export function observeState(kernel: NodeKernel, index: number): ObservedState {
  const present = kernel.addresses({ index });
  const routes = kernel.routes({ device: index });
  const neighbours = kernel.neighbours(index);
  const made = new Set(present.flatMap(prefixesOf));
  const local = new Set(routes.flatMap(({ type, destination }) => (type === "local" ? [destination] : [])));
  const addresses = present.filter(isMoved).map(addressOf);
  return {
    state: {
      addresses,
      routes: routes.filter((route) => isRouteMoved(route, made)).map((route) => routeOf(route, index)),
      neighbours: neighbours.flatMap(neighbourOf),
    },
    pending: addresses.flatMap(({ address }) =>
      address.includes(":") && !local.has(`${address}/128`) ? [address] : [],
    ),
    learned: neighbours.flatMap(learnedOf),
  };
}

/** The destinations of the routes that the kernel adds for an address. */
function prefixesOf({ address, peer, prefix, noPrefixRoute }: Address): readonly string[] {
  if (noPrefixRoute) return [];
  return [address, peer].flatMap((text) => {
    const ip = text === undefined ? undefined : parseIp(text);
    return (ip && cidrOf(ip, prefix)?.text) ?? [];
  });
}

function learnedOf({ address, mac, state, proxy }: Neighbour): readonly UplinkNeighbour[] {
  return mac !== undefined && !proxy && LEARNED.has(state) ? [{ address, mac }] : [];
}

const LEARNED: ReadonlySet<NeighbourState> = new Set(["reachable", "stale", "delay", "probe"]);

function isMoved({ family, address, flags, dadFailed }: Address): boolean {
  if (isOfLink(address)) return false;
  // For IPv4 the first bit says that it is not the first of its prefix.
  return family === 4 || ((flags & (IFA_F_TEMPORARY | IFA_F_DEPRECATED)) === 0 && !dadFailed);
}

/** NetworkManager and others say that their routes for the prefixes of addresses are the kernel's. @param made see {@link prefixesOf}. */
function isRouteMoved({ type, table, protocol, destination }: Route, made: ReadonlySet<string>): boolean {
  if (type !== "unicast" || table === ROUTE_TABLE_LOCAL) return false;
  if (protocol === ROUTE_PROTOCOL_KERNEL && made.has(destination)) return false;
  return !isOfLink(destination) && !destination.startsWith("ff");
}

/** RFC 4291 §2.5.6: every device has its own. Those of IPv4 (RFC 3927) move: clouds have servers there. */
function isOfLink(text: string): boolean {
  return /^fe[89ab]/.test(text);
}

function addressOf({ address, prefix, peer, broadcast, scope, noPrefixRoute }: Address): UplinkAddress {
  return {
    ...{ address, prefix },
    ...(peer !== undefined && { peer }),
    ...(broadcast !== undefined && { broadcast }),
    ...(scope !== "global" && { scope }),
    ...(noPrefixRoute && { noPrefixRoute }),
  };
}

function routeOf(route: Route, index: number): UplinkRoute {
  const { destination, table, metric, protocol, scope, gateway, onlink, source, mtu, nextHops } = route;
  const hops = nextHops.map(
    ({ gateway: via, device, weight, onlink: direct }): UplinkHop => ({
      ...{ device: device === index ? 0 : device, weight },
      ...(via !== undefined && { gateway: via }),
      ...(direct && { onlink: direct }),
    }),
  );
  return {
    ...{ destination, table, metric, protocol, scope },
    ...(gateway !== undefined && { gateway }),
    ...(onlink && { onlink }),
    ...(source !== undefined && { source }),
    ...(mtu !== undefined && { mtu }),
    ...(hops.length > 0 && { nextHops: hops }),
  };
}

function neighbourOf({ address, mac, state, proxy }: Neighbour): readonly UplinkNeighbour[] {
  return state === "permanent" && mac !== undefined && !proxy && !isOfLink(address) ? [{ address, mac }] : [];
}

/** The route on a device. */
export function routeSpec(route: UplinkRoute, device: number): RouteSpec {
  const { nextHops, ...rest } = route;
  if (nextHops === undefined) return { ...rest, device };
  return { ...rest, nextHops: nextHops.map((hop) => ({ ...hop, device: hop.device === 0 ? device : hop.device })) };
}

/** Whether a route needs no other one that leads to its gateway. */
export function isDirect({ gateway, nextHops = [] }: UplinkRoute): boolean {
  return gateway === undefined && nextHops.every((hop) => hop.gateway === undefined);
}

/** The union of both, in the order of the first. */
export function union(a: UplinkState, b: UplinkState): UplinkState {
  return {
    addresses: joined(a.addresses, b.addresses, sameAddress),
    routes: joined(a.routes, b.routes, sameRoute),
    neighbours: joined(a.neighbours, b.neighbours, sameNeighbour),
  };
}

/** The difference: what the first has and the second does not. */
export function without(a: UplinkState, b: UplinkState): UplinkState {
  return {
    addresses: a.addresses.filter((one) => !b.addresses.some((other) => sameAddress(one, other))),
    routes: a.routes.filter((one) => !b.routes.some((other) => samePlain(one, other))),
    neighbours: a.neighbours.filter((one) => !b.neighbours.some((other) => samePlain(one, other))),
  };
}

/** Whether the state is empty. */
export function isEmpty({ addresses, routes, neighbours }: UplinkState): boolean {
  return addresses.length + routes.length + neighbours.length === 0;
}

function joined<T>(a: readonly T[], b: readonly T[], same: (one: T, other: T) => boolean): readonly T[] {
  return [...a, ...b.filter((one) => !a.some((other) => same(one, other)))];
}

function sameAddress(a: UplinkAddress, b: UplinkAddress): boolean {
  return a.address === b.address && a.prefix === b.prefix && a.peer === b.peer;
}

/** Whether one replaces the other (rtnetlink(7), NLM_F_REPLACE). */
function sameRoute(a: UplinkRoute, b: UplinkRoute): boolean {
  return a.destination === b.destination && a.table === b.table && a.metric === b.metric;
}

function sameNeighbour(a: UplinkNeighbour, b: UplinkNeighbour): boolean {
  return a.address === b.address;
}
