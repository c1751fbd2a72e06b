// SPDX-License-Identifier: Apache-2.0

import type { Family } from "../net/address.ts";
import { absentAs } from "./absent.ts";
import {
  decodeRoute,
  encodeRouteDelete,
  encodeRouteDump,
  encodeRouteNew,
  type Route,
  type RouteSpec,
  RTM_NEWROUTE,
} from "./route-codec.ts";
import type { NetlinkSocket } from "./socket.ts";

export type { NextHop, NextHopSpec } from "./next-hop-codec.ts";
export {
  ROUTE_PROTOCOL_KERNEL,
  ROUTE_PROTOCOL_STATIC,
  ROUTE_TABLE_LOCAL,
  ROUTE_TABLE_MAIN,
  type Route,
  type RouteSpec,
  type RouteType,
} from "./route-codec.ts";
export type { Scope } from "./scope.ts";

/** A filter of routes, applied by the kernel. */
export interface RouteFilter {
  readonly family?: Family;
  readonly table?: number;
  /** ifindex */
  readonly device?: number;
  /** RTPROT_* */
  readonly protocol?: number;
}

/** The routes of both families or one. Empty if the table or interface does not exist. */
export function listRoutes(socket: NetlinkSocket, filter: RouteFilter = {}): readonly Route[] {
  const families: readonly Family[] = filter.family === undefined ? [4, 6] : [filter.family];
  return families.flatMap((family) =>
    absentAs([], () =>
      socket
        .dump(encodeRouteDump(family, filter))
        .filter((message) => message.type === RTM_NEWROUTE)
        .map((message) => decodeRoute(message.payload))
        .filter((route) => route !== undefined),
    ),
  );
}

/** Adds a route. Throws `exists`, `unreachable` for a gateway that is not directly attached, `down` for a device that is down. */
export function addRoute(socket: NetlinkSocket, spec: RouteSpec): void {
  socket.request(encodeRouteNew(spec, false));
}

/** Adds a route, or replaces the one with the same destination, table and metric. */
export function ensureRoute(socket: NetlinkSocket, spec: RouteSpec): void {
  socket.request(encodeRouteNew(spec, true));
}

/** Deletes the first route that matches all fields of the key. `false` if there is none. */
export function deleteRoute(socket: NetlinkSocket, key: RouteSpec): boolean {
  return absentAs(false, () => {
    socket.request(encodeRouteDelete(key));
    return true;
  });
}
