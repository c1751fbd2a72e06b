// SPDX-License-Identifier: Apache-2.0

import { parseCidr } from "../net/cidr.ts";
import { NetlinkError } from "../netlink/error.ts";
import { ROUTE_TABLE_MAIN, type Route, type RouteSpec } from "../netlink/routes.ts";
import { type Driver, type DriverOutcome, driver, type Step } from "./driver.ts";
import type { NodeKernel } from "./kernel.ts";
import { NODE_OWNER, type Owner } from "./marks.ts";
import type { NodeState, RouteState } from "./state.ts";

/** Default metric of an IPv6 route (IP6_RT_PRIO_USER, net/ipv6_route.h). */
const DEFAULT_METRIC_6 = 1024;

/** Of a route without a link. */
const NO_DEVICE = 0;

/** Weft's routes, those on the links of the state, and the links' indexes. */
interface Found {
  /** By name. */
  readonly indexes: ReadonlyMap<string, number>;
  readonly routes: readonly Route[];
}

type RouteStep = Step &
  (
    | { readonly do: "add"; readonly route: RouteSpec }
    /** Replaces a route on the same link, so that the destination is never without a route. */
    | { readonly do: "replace"; readonly route: RouteSpec }
    | { readonly do: "remove"; readonly route: RouteSpec }
  );

/** Routes, marked by their protocol. On links of the state the desired route replaces any route to its destination. */
export function routeDriver(kernel: NodeKernel, { protocol: own }: Owner = NODE_OWNER): Driver {
  return driver<Found, RouteStep>({
    kind: "routes",
    list({ routes, links = [] }) {
      if (routes === undefined) return undefined;
      const names = new Set([
        ...links.map(({ name }) => name),
        ...routes.flatMap((route) => (route.type === undefined ? route.link : [])),
      ]);
      const indexes = new Map(
        [...names].flatMap((name) => {
          const link = kernel.link(name);
          return link === undefined ? [] : [[name, link.index] as const];
        }),
      );
      const onLinks = links.flatMap(({ name }) => {
        const device = indexes.get(name);
        return device === undefined ? [] : kernel.routes({ device });
      });
      const ours = kernel.routes({ protocol: own });
      return { indexes, routes: [...onLinks.filter(({ protocol }) => protocol !== own), ...ours] };
    },
    diff: (found, state) => diffRoutes(found, state, own),
    apply(step) {
      switch (step.do) {
        case "add":
          return add(kernel, step.route);
        case "replace":
          kernel.setRoute(step.route);
          return "done";
        case "remove":
          return kernel.deleteRoute(step.route) ? "done" : "absent";
      }
    },
  });
}

function diffRoutes({ indexes, routes: found }: Found, { routes = [] }: NodeState, own: number) {
  const remove: RouteStep[] = [];
  const set: RouteStep[] = [];
  const wanted = new Map(routes.map((route) => [keyOf(route.destination, route.table, route.metric), route]));
  for (const { destination, table, metric, device, protocol } of found) {
    if (protocol !== own || wanted.has(keyOf(destination, table, metric))) continue;
    const route = { destination, table, metric, protocol, ...(device !== undefined && { device }) };
    remove.push({ do: "remove", route, what: `route ${destination} (no longer wanted)` });
  }
  for (const [key, want] of wanted) {
    const device = want.type === undefined ? indexes.get(want.link) : NO_DEVICE;
    if (device === undefined) continue;
    const there = found.filter(({ destination, table, metric }) => keyOf(destination, table, metric) === key);
    if (there.some((route) => isRoute(route, want, device, own))) continue;
    const what = `route ${want.destination} ${want.type ?? `dev ${want.link}`}`;
    set.push({ do: there.length > 0 ? "replace" : "add", route: specOf(want, device, own), what });
  }
  // Removals come last: a growing range and its former one belong to the same network.
  return { set: [...set, ...remove] };
}

function keyOf(destination: string, table = ROUTE_TABLE_MAIN, metric = 0): string {
  const known = metric === 0 && parseCidr(destination)?.family === 6 ? DEFAULT_METRIC_6 : metric;
  return `${destination} table ${table} metric ${known}`;
}

function isRoute(route: Route, want: RouteState, device: number, own: number): boolean {
  if (want.type !== undefined) return route.protocol === own && route.type === want.type;
  return (
    route.protocol === own &&
    route.device === device &&
    route.type === "unicast" &&
    route.gateway === want.gateway &&
    route.source === want.source
  );
}

function specOf(want: RouteState, device: number, own: number): RouteSpec {
  if (want.type !== undefined) return { ...want, protocol: own };
  const { link: _, type: _unicast, ...route } = want;
  return { ...route, device, protocol: own };
}

/** A route of another program is not replaced: it may be the node's own. */
function add(kernel: NodeKernel, route: RouteSpec): DriverOutcome {
  try {
    kernel.addRoute(route);
    return "done";
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === "exists")) throw error;
    return { blockedBy: "another program's route" };
  }
}
