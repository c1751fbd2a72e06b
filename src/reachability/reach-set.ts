// SPDX-License-Identifier: Apache-2.0

import type { Ip } from "../net/address.ts";
import type { Dual } from "../net/dual.ts";
import type { AclLists } from "./acls.ts";
import type { Endpoint } from "./endpoint.ts";
import { type MatchUses, type ProbePoint, packetAt, probePoints, usesOf } from "./match-uses.ts";
import type { Network } from "./network.ts";
import type { NetworkPort } from "./network-port.ts";
import { intersect, ReachParts } from "./reach-parts.ts";
import { type Place, tracePacket } from "./trace.ts";

/**
 * The traffic that is allowed from one port to another: runs of ports, in order. With two IP families, what both
 * allow.
 */
export interface ReachSet {
  readonly open: readonly ProbePoint[];
  /** Whether all traffic is allowed. */
  readonly all: boolean;
}

/** The traffic that is allowed between two ports. Pure. With `only`, just that point is evaluated. */
export function reachBetween(network: Network, from: NetworkPort, to: NetworkPort, only?: ProbePoint): ReachSet {
  const [source, destination] = [from.addresses, to.addresses];
  return reachOf(network, { place: from, source }, { place: to, destination }, only);
}

/** The same between any two ends. */
export function reachOf(
  network: Network,
  { place: from, source: sources }: Pick<Endpoint, "place" | "source">,
  { place: to, destination: destinations }: Pick<Endpoint, "place" | "destination">,
  only?: ProbePoint,
): ReachSet {
  const families = commonFamilies(sources, destinations);
  if (from !== undefined && to !== undefined && isPlain(network, from, to)) {
    if (families.length === 0) return { open: [], all: false };
    return plainReach(network, from, to, families, only);
  }
  const points = only === undefined ? pointsFor(network, from, to) : [only];
  const open = points.filter(
    (point) =>
      families.length > 0 &&
      families.every(
        ([source, destination]) =>
          tracePacket(network, { from, to, source, destination, ...packetAt(point, source.family) }).allowed,
      ),
  );
  return { open: merged(open), all: open.length === points.length };
}

/** The cache of a network. */
interface Remembered {
  readonly parts: ReachParts;
  /** Two switches → whether ports of the two are a plain pair. */
  readonly plain: Map<string, boolean>;
}

const REMEMBERED = new WeakMap<Network, Remembered>();

function remembered(network: Network): Remembered {
  let known = REMEMBERED.get(network);
  if (known === undefined) {
    known = { parts: new ReachParts(network), plain: new Map() };
    REMEMBERED.set(network, known);
  }
  return known;
}

/** Whether a pair is connected, and only the ACLs of its two ports decide. */
function isPlain(network: Network, from: NetworkPort, to: NetworkPort): boolean {
  const { plain } = remembered(network);
  const key = `${from.switch} ${to.switch}`;
  let answer = plain.get(key);
  if (answer === undefined) {
    const [start, end] = [network.uplink(from.switch), network.uplink(to.switch)];
    const connected = from.switch === to.switch || (start !== undefined && start.router === end?.router);
    const silent = [from.switch, to.switch].every((name) =>
      Object.values(network.switchLists(name)).every((list) => list.length === 0),
    );
    const drops = network.routerPolicies(start?.router ?? "").some(({ action }) => action === "drop");
    answer = connected && silent && !drops;
    plain.set(key, answer);
  }
  return answer;
}

function plainReach(
  network: Network,
  from: NetworkPort,
  to: NetworkPort,
  families: readonly (readonly [Ip, Ip])[],
  only: ProbePoint | undefined,
): ReachSet {
  const { parts } = remembered(network);
  const sent = parts.open(["from-lport", "from-lport-after-lb"], network.listsOf(from), from, to, families);
  const got = parts.open(["to-lport"], network.listsOf(to), from, to, families);
  const open = intersect(sent, got);
  if (only !== undefined) {
    const within = open.some(
      ({ protocol, first, last }) => protocol === only.protocol && first <= only.first && only.last <= last,
    );
    return { open: within ? [only] : [], all: within };
  }
  const runs = merged(open);
  return { open: runs, all: isWhole(runs) };
}

/** The pairs of addresses of the families that both have. */
export function commonFamilies(from: Dual<Ip>, to: Dual<Ip>): readonly (readonly [Ip, Ip])[] {
  return (["v4", "v6"] as const).flatMap((family) => {
    const [source, destination] = [from[family], to[family]];
    return source === undefined || destination === undefined ? [] : [[source, destination] as const];
  });
}

/** Lists of ACLs → the points to evaluate. */
const POINTS = new WeakMap<AclLists, WeakMap<AclLists, readonly ProbePoint[]>>();

function pointsFor(network: Network, from: Place, to: Place): readonly ProbePoint[] {
  const [sending, receiving] = [listsAt(network, from), listsAt(network, to)];
  let known = POINTS.get(sending);
  if (known === undefined) {
    known = new WeakMap();
    POINTS.set(sending, known);
  }
  let points = known.get(receiving);
  if (points === undefined) {
    const acls = [...sending["from-lport"], ...sending["from-lport-after-lb"], ...receiving["to-lport"]];
    // ACLs without a port group also apply on the path: at the ports to and from the router.
    for (const place of new Set([from?.switch, to?.switch])) {
      if (place !== undefined) acls.push(...Object.values(network.switchLists(place)).flat());
    }
    points = probePoints(new Set(acls.map(({ match }): MatchUses => usesOf(match))));
    known.set(receiving, points);
  }
  return points;
}

const NO_LISTS: AclLists = { "from-lport": [], "from-lport-after-lb": [], "to-lport": [] };

function listsAt(network: Network, place: Place): AclLists {
  return place === undefined ? NO_LISTS : network.listsOf(place);
}

/** Adjacent runs merged. */
function merged(points: readonly ProbePoint[]): readonly ProbePoint[] {
  const runs: ProbePoint[] = [];
  for (const point of points) {
    const last = runs.at(-1);
    if (last !== undefined && last.protocol === point.protocol && last.last + 1 === point.first) {
      runs[runs.length - 1] = { ...last, last: point.last };
    } else runs.push(point);
  }
  return runs;
}

/** The number of runs that are listed. */
const SHOWN = 8;

/** The allowed traffic as text: `everything`, `nothing`, `ICMP, TCP 80, UDP 8000-8080`. */
export function reachText({ open, all }: ReachSet): string {
  if (all) return "everything";
  if (open.length === 0) return "nothing";
  const texts = open.map(({ protocol, first, last }) => {
    if (protocol === "ICMP") return protocol;
    if (first <= 1 && last === LAST_PORT) return `all ${protocol}`;
    return `${protocol} ${first}${last === first ? "" : `-${last}`}`;
  });
  return texts.length > SHOWN
    ? `${texts.slice(0, SHOWN).join(", ")} and ${texts.length - SHOWN} more`
    : texts.join(", ");
}

/** Whether runs are all ports of all protocols. */
export function isWhole(open: readonly ProbePoint[]): boolean {
  const protocols = ["TCP", "UDP", "SCTP"].every((protocol) =>
    open.some((run) => run.protocol === protocol && run.first <= 1 && run.last === LAST_PORT),
  );
  return protocols && open.some((run) => run.protocol === "ICMP");
}

const LAST_PORT = 65_535;

/** The difference of two sets. */
export function reachMinus(a: ReachSet, b: ReachSet): readonly ProbePoint[] {
  return a.open.flatMap((run) => {
    let rest = [run];
    for (const other of b.open) {
      if (other.protocol !== run.protocol) continue;
      rest = rest.flatMap((part) => {
        if (other.last < part.first || other.first > part.last) return [part];
        const before = { ...part, last: other.first - 1 };
        const behind = { ...part, first: other.last + 1 };
        return [before, behind].filter(({ first, last }) => first <= last);
      });
    }
    return rest;
  });
}
