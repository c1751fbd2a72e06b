// SPDX-License-Identifier: Apache-2.0

import { rowUuid } from "../../desired/identity.ts";
import type { BfdSessionFact } from "../../facts/database.ts";
import type { StaticRouteFact, VpcFact } from "../../facts/vpc.ts";
import type { Dual } from "../../net/dual.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { routerId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";
import { SYMMETRIC } from "./accepted-routes.ts";
import type { Externals } from "./vpc-external.ts";
import { type ExternalSession, type SessionStates, sessionId, sessionOfRoute } from "./vpc-external-bfd.ts";

/** The two halves of all addresses of a family. */
const HALVES: Readonly<Record<string, readonly string[]>> = {
  "0.0.0.0/0": ["0.0.0.0/1", "128.0.0.0/1"],
  "::/0": ["::/1", "8000::/1"],
};

interface RoutesInput {
  readonly vpc: VpcFact;
  /** The next hop of the default VPC's default route. */
  readonly joinGateway: Dual<string>;
  /** The BFD sessions of other clients that the routes name. */
  readonly sessions: readonly Pick<BfdSessionFact, "uuid" | "address">[];
  readonly externals: Externals;
  readonly sessionStates: SessionStates;
}

/**
 * The static routes of a VPC. In the default VPC also the route to the nodes, in each routing table of `tables`: a port with a routing table does not use
 * routes of other tables (ovn-nb(5), Logical_Router_Static_Route `route_table`). Returns the sessions in external subnets that the routes refer to, whose
 * rows are the caller's to add.
 */
export function addStaticRoutes(
  build: FragmentBuilder,
  { vpc, joinGateway, sessions, externals, sessionStates }: RoutesInput,
  staticRoutes: readonly StaticRouteFact[],
  tables: ReadonlySet<string>,
): readonly ExternalSession[] {
  const route = (
    of: string,
    columns: { ip_prefix: string; nexthop: string; policy: "dst-ip" | "src-ip"; route_table: string },
    monitor: { readonly bfd?: string | undefined; readonly foreign: boolean } = { foreign: true },
    symmetric = false,
  ): void => {
    const row = { ...columns, bfd: monitor.bfd, options: symmetric ? { ecmp_symmetric_reply: "true" } : {} };
    build.held(
      "Logical_Router",
      routerId(vpc.name),
      "static_routes",
      "Logical_Router_Static_Route",
      `${vpc.name}/${of}`,
      { ...row, external_ids: externalIds() },
      monitor.foreign ? ["bfd"] : [],
    );
  };
  for (const table of tables) {
    const suffix = table === "" ? "" : `/${table}`;
    const way = { policy: "dst-ip", route_table: table } as const;
    if (joinGateway.v4 !== undefined)
      route(`default4${suffix}`, { ...way, ip_prefix: "0.0.0.0/0", nexthop: joinGateway.v4 });
    if (joinGateway.v6 !== undefined)
      route(`default6${suffix}`, { ...way, ip_prefix: "::/0", nexthop: joinGateway.v6 });
  }
  const nodeHops = externals.links.flatMap((link) => link.nodeHops);
  const known = new Set<string>();
  const made = new Map<string, ExternalSession>();
  for (const written of staticRoutes) {
    const own = sessionOfRoute(vpc, externals.links, staticRoutes, written);
    if (own !== undefined) made.set(sessionId(own), own);
    // A session with an OvnEip of type `lsp` never comes up, and its route would not be used.
    const named = nodeHops.includes(written.nextHopIp)
      ? undefined
      : sessions.find(({ uuid, address }) => uuid === written.bfdId && address === written.nextHopIp);
    const state = own && sessionStates[sessionId(own)];
    const monitor =
      own === undefined || state?.foreign === true
        ? { bfd: (own === undefined ? named : state)?.uuid, foreign: true }
        : { bfd: rowUuid("BFD", sessionId(own)), foreign: false };
    for (const { policy, cidr, nextHopIp, routeTable, ecmpMode } of inOvn(written)) {
      const id = `route/${routeTable}/${policy}/${cidr}/${nextHopIp}`;
      // Equal routes are one row.
      if (known.has(id)) continue;
      known.add(id);
      const side = policy === "policySrc" ? "src-ip" : "dst-ip";
      const columns = { ip_prefix: cidr, nexthop: nextHopIp, policy: side, route_table: routeTable } as const;
      route(id, columns, monitor, ecmpMode === SYMMETRIC);
    }
  }
  return [...made.values()];
}

/**
 * A route in the form for OVN. A source route for all addresses becomes two, one for each half: northd gives it the same priority as the router's own
 * flow that drops (26.03, findings/ovn-source-default-route-ties-with-drop.sh).
 */
function inOvn(route: StaticRouteFact): readonly StaticRouteFact[] {
  const halves = route.policy === "policySrc" ? HALVES[route.cidr] : undefined;
  return halves === undefined ? [route] : halves.map((cidr) => ({ ...route, cidr }));
}
