// SPDX-License-Identifier: Apache-2.0

import type { StaticRouteFact } from "../../facts/vpc.ts";
import { hostPrefix } from "../../net/address.ts";
import { type Cidr, parseCidr } from "../../net/cidr.ts";
import type { Note } from "../effects.ts";

/** How many destinations a message names. */
const NAMED = 3;

/**
 * Routes by source that OVN prefers to routes by destination where Kube-OVN does not. OVN takes the longer prefix, whichever side it is of (ovn-nb(5),
 * Logical_Router_Static_Route `policy`). Kube-OVN's build of OVN puts routes by source after all others, and those of one address after all but default routes
 * (its dist/images/patches, "modify src route priority"). `networks` are those of the router's ports.
 */
export function orderNotes(routes: readonly StaticRouteFact[], networks: readonly string[]): readonly Note[] {
  const connected = networks.flatMap((text) => parseCidr(text) ?? []);
  return routes.flatMap((route): Note[] => {
    const source = route.policy === "policySrc" ? parseCidr(route.cidr) : undefined;
    if (source === undefined) return [];
    const isHost = source.prefix === hostPrefix(source.family);
    // A route for all addresses is written as two halves.
    const length = Math.max(source.prefix, 1);
    const isAfter = ({ family, prefix }: Cidr): boolean => family === source.family && prefix < length;
    const others = routes
      .filter(({ policy, routeTable }) => policy !== "policySrc" && routeTable === route.routeTable)
      .flatMap(({ cidr }) => parseCidr(cidr) ?? [])
      .filter(({ prefix }) => !isHost || prefix > 0);
    const overtaken = [...new Set([...connected, ...others].filter(isAfter).map(({ text }) => text))].sort();
    if (overtaken.length === 0) return [];
    const more = overtaken.length > NAMED ? ` and ${overtaken.length - NAMED} more` : "";
    const named = `${overtaken.slice(0, NAMED).join(", ")}${more}`;
    const message = `OVN prefers the longer prefix, of source or destination: this route also takes what is sent to ${named}, which Kube-OVN's build of OVN routes by destination; use policyRoutes to route by both`;
    return [{ reason: "SourceRoutePreferred", message: `${route.path || "staticRoutes"}.cidr: ${message}` }];
  });
}
