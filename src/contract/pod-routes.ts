// SPDX-License-Identifier: Apache-2.0

import type { CniRoute } from "../api/cni-message.ts";
import { commaList } from "../collections/comma-list.ts";
import { isObject } from "../collections/plain.ts";
import { parseIp } from "../net/address.ts";
import { type Cidr, cidrContains, parseCidr } from "../net/cidr.ts";

/** The valid routes of an annotation `routes`, and the problems of the others. */
export interface ReadRoutes {
  readonly routes: readonly CniRoute[];
  /** Each names the route and why it is ignored. */
  readonly problems: readonly string[];
}

/**
 * Reads `[{"dst":"10.0.0.0/8","gw":"10.16.0.254"}]`. Without `dst` a route is the default one of its gateway's family, without `gw` it uses the
 * subnet's gateway. An invalid route is left out, and the others are used, so that one invalid route does not keep the pod from starting.
 * @param cidrs the ranges of the interface's subnet; a gateway outside of them is not reachable there.
 */
export function readPodRoutes(text: string, cidrs: readonly Cidr[]): ReadRoutes {
  if (text.trim() === "") return { routes: [], problems: [] };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { routes: [], problems: ["the routes are ignored: they are not JSON"] };
  }
  if (!Array.isArray(value)) return { routes: [], problems: ["the routes are ignored: they are not a JSON list"] };
  return readAll(value, cidrs, "route");
}

/** Parses the gateways of the pod's default routes in a network selection (`default-route`), separated by commas, in the same way. */
export function readGateways(text: string, cidrs: readonly Cidr[]): ReadRoutes {
  return readAll(
    commaList(text).map((gw) => ({ gw })),
    cidrs,
    "default-route",
  );
}

function readAll(items: readonly unknown[], cidrs: readonly Cidr[], what: string): ReadRoutes {
  const routes: CniRoute[] = [];
  const problems: string[] = [];
  for (const item of items) {
    const route = readRoute(item, cidrs);
    if (typeof route === "string") problems.push(`${what} ${JSON.stringify(item).slice(0, 200)} is ignored: ${route}`);
    else routes.push(route);
  }
  return { routes, problems };
}

/** The route, or why it is invalid. */
function readRoute(value: unknown, cidrs: readonly Cidr[]): CniRoute | string {
  if (!isObject(value)) return "it is not an object with dst and gw";
  const { dst = "", gw = "" } = value;
  if (typeof dst !== "string" || typeof gw !== "string") return "dst and gw must be texts";
  const destination = dst === "" ? undefined : parseCidr(dst);
  if (dst !== "" && destination === undefined) return `dst "${dst}" is not a valid CIDR`;
  const gateway = gw === "" ? undefined : parseIp(gw);
  if (gw !== "" && gateway === undefined) return `gw "${gw}" is not a valid address`;
  const family = destination?.family ?? gateway?.family;
  if (family === undefined) return "it has neither dst nor gw";
  if (gateway !== undefined && gateway.family !== family) return "dst and gw are of different families";
  const own = cidrs.filter((cidr) => cidr.family === family);
  if (own.length === 0) return `the interface has no IPv${family} address`;
  if (gateway !== undefined && !own.some((cidr) => cidrContains(cidr, gateway)))
    return `gw ${gateway.text} is not in the subnet of the interface (${own.map((cidr) => cidr.text).join(", ")})`;
  return { ...(destination && { dst: destination.text }), ...(gateway && { gw: gateway.text }) };
}
