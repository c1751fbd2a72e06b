// SPDX-License-Identifier: Apache-2.0

import type { BfdSessionFact } from "../../facts/database.ts";
import type { FactReader } from "../../facts/store.ts";
import type { StaticRouteFact, VpcFact } from "../../facts/vpc.ts";
import { textContains } from "../../net/cidr.ts";
import { dualValues } from "../../net/dual.ts";
import type { Note } from "../effects.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { externalIds } from "../rows.ts";
import type { ExternalLink } from "./vpc-external.ts";

/** Kube-OVN's defaults: ms between packets, and how many may be lost. */
export const SESSION_PACE = { min_tx: 100, min_rx: 100, detect_mult: 3 } as const;

/** A BFD session between a router's port in an external subnet and a router there that is a next hop. */
export interface ExternalSession {
  /** Name of the port. */
  readonly port: string;
  readonly address: string;
}

/** The sessions that exist. Session id → its row. */
export type SessionStates = Readonly<Record<string, Pick<BfdSessionFact, "uuid" | "status" | "foreign">>>;

/** The owner id of a session's row, and the key of its fact. */
export function sessionId({ port, address }: ExternalSession): string {
  return `${port}/${address}`;
}

/**
 * The session that monitors a static route of a VPC with `enableBfd`, whose next hop is in an external subnet; undefined where none does. A route without
 * another one to the same destination is not monitored: nothing would be won by not using it.
 */
export function sessionOfRoute(
  { enableBfd }: Pick<VpcFact, "enableBfd">,
  links: readonly ExternalLink[],
  routes: readonly StaticRouteFact[],
  route: StaticRouteFact,
): ExternalSession | undefined {
  if (!enableBfd || route.bfdId !== "" || !routes.some((other) => isAlternative(route, other))) return undefined;
  return sessionOf(links, route.nextHopIp);
}

/** The state of each session that the VPC may have, with the status that northd has set. */
export function readSessions(reader: FactReader, vpc: VpcFact, links: readonly ExternalLink[]): SessionStates {
  if (!vpc.enableBfd) return {};
  const routes = [...vpc.staticRoutes, ...(vpc.former.staticRoutes ?? [])];
  return Object.fromEntries(
    routes.flatMap(({ nextHopIp }) => {
      const session = sessionOf(links, nextHopIp);
      const fact = session && reader.get("bfdSessions", sessionId(session));
      if (fact === undefined) return [];
      const { key, uuid, status, foreign } = fact;
      return [[key, { uuid, status, foreign }] as const];
    }),
  );
}

/** Adds the rows of the sessions, except those that another client has created: OVN has an index on port and address. */
export function addExternalSessions(
  build: FragmentBuilder,
  vpc: string,
  sessions: readonly ExternalSession[],
  states: SessionStates,
): void {
  for (const session of sessions) {
    if (states[sessionId(session)]?.foreign === true) continue;
    build.row("BFD", sessionId(session), {
      ...{ logical_port: session.port, dst_ip: session.address },
      ...SESSION_PACE,
      external_ids: externalIds({ vpc }),
    });
  }
}

/** What a user should know about the sessions. */
export function sessionNotes(
  { enableBfd }: Pick<VpcFact, "enableBfd">,
  links: readonly ExternalLink[],
  sessions: readonly ExternalSession[],
  states: SessionStates,
): readonly Note[] {
  if (!enableBfd) return [];
  if (sessions.length === 0 && !hasNodeHops(links)) {
    const message =
      "spec.enableBfd: BFD monitors nothing: no two static routes with one destination have a next hop in an external subnet";
    return [{ reason: "BfdUnused", message }];
  }
  return downNotes(sessions, states);
}

function downNotes(sessions: readonly ExternalSession[], states: SessionStates): readonly Note[] {
  return sessions.flatMap((session) => {
    const status = states[sessionId(session)]?.status;
    if (status !== "down" && status !== "init") return [];
    const message = `spec.enableBfd: next hop ${session.address} does not answer BFD (port ${session.port}); routes through it are not used`;
    return [{ reason: "BfdDown", message }];
  });
}

/** Whether a route leads to an OvnEip of type `lsp`. It needs no session: OVN moves the address to another node when its node fails. */
export function hasNodeHops(links: readonly Pick<ExternalLink, "nodeHops">[]): boolean {
  return links.some(({ nodeHops }) => nodeHops.length > 0);
}

/** The session that would monitor a next hop; undefined where that is in no external subnet, or is an OvnEip of type `lsp`, which does not answer BFD. */
function sessionOf(links: readonly ExternalLink[], address: string): ExternalSession | undefined {
  const link = links.find(({ cidr }) => dualValues(cidr).some((range) => textContains(range, address)));
  return link === undefined || link.nodeHops.includes(address) ? undefined : { port: link.port, address };
}

function isAlternative(route: StaticRouteFact, other: StaticRouteFact): boolean {
  const same = (["policy", "cidr", "routeTable"] as const).every((field) => route[field] === other[field]);
  return same && route.nextHopIp !== other.nextHopIp;
}
