// SPDX-License-Identifier: Apache-2.0

import type { PodFact } from "../facts/pod.ts";
import { type Ip, parseIp } from "../net/address.ts";
import type { Dual } from "../net/dual.ts";
import { type Endpoint, podEndpointOf } from "./endpoint.ts";
import { explainPath } from "./explain.ts";
import { type ProbePoint, packetAt } from "./match-uses.ts";
import { twoOf } from "./matrix.ts";
import type { Network } from "./network.ts";
import { classesOf, classNames, type PodClass, signatures } from "./pod-classes.ts";
import type { PolicyIndex } from "./policy-index.ts";
import { commonFamilies, isWhole, reachMinus, reachOf, reachText } from "./reach-set.ts";

/** One side of a comparison. */
export interface Side {
  readonly network: Network;
  readonly book: PolicyIndex;
}

/** What pods of one class gain or lose towards pods of another class. */
export interface ReachChange {
  readonly change: "gains" | "loses";
  readonly from: string;
  readonly to: string;
  /** Number of affected pairs of pods; 1 for each pod if the other end is outside. */
  readonly pairs: number;
  /** What is gained or lost, as text. */
  readonly what: string;
  /** What is allowed afterwards, as text. */
  readonly open: string;
  /** The rule that decides afterwards; only for the first of very many changes. */
  readonly because?: string;
}

/** All changes between pods, and between pods and the outside. */
export interface ReachChanges {
  readonly changes: readonly ReachChange[];
  /** Numbers of pairs of pods that gain something, that lose something, and of all pairs. */
  readonly totals: { readonly gaining: number; readonly losing: number; readonly pairs: number };
}

/** An address that belongs to no object and that no policy names (RFC 5737, RFC 3849). */
const OUTSIDE: Dual<Ip> = outside("203.0.113.77", "2001:db8::77");

/**
 * Compares the reachability in two states of one cluster. Pure. Pods that have a port in both are compared, by
 * classes that are equal in both states; a pair of classes is evaluated only if something that concerns one of them
 * differs.
 */
export function reachChanges(before: Side, after: Side, pods: readonly PodFact[]): ReachChanges {
  const signs = [before, after].map(({ network }) => ({ network, signatureOf: signatures(network) }));
  const classes = classesOf(pods, (pod) => {
    const parts = signs.map(({ network, signatureOf }) => {
      const port = network.podPort(pod);
      return port && signatureOf(port);
    });
    return parts.includes(undefined) ? undefined : parts.join("\n");
  });
  const everything = sharedParts(before.network) !== sharedParts(after.network);
  const touched = new Set(classes.filter((one) => everything || concerns(before, one) !== concerns(after, one)));
  const names = classNames(classes);
  const nameOf = (one: PodClass): string => names.get(one) ?? "";
  const changes: Found[] = [];
  const totals = { gaining: 0, losing: 0, pairs: 0 };
  const known = pods.filter(
    (pod) => before.network.podPort(pod) !== undefined && after.network.podPort(pod) !== undefined,
  );
  totals.pairs = known.length * (known.length - 1);
  for (const from of classes) {
    for (const to of classes) {
      if (!touched.has(from) && !touched.has(to)) continue;
      const pair = twoOf(from, to);
      if (pair === undefined) continue;
      const pairs = from === to ? from.pods.length * (from.pods.length - 1) : from.pods.length * to.pods.length;
      const found = compare(before, after, [pair[0], pair[1]], [nameOf(from), nameOf(to), pairs]);
      if (found.some(({ change }) => change === "gains")) totals.gaining += pairs;
      if (found.some(({ change }) => change === "loses")) totals.losing += pairs;
      changes.push(...found);
    }
  }
  for (const one of touched) {
    const [pod] = one.pods;
    if (pod === undefined) continue;
    changes.push(...compare(before, after, [undefined, pod], ["outside", nameOf(one), one.pods.length]));
    changes.push(...compare(before, after, [pod, undefined], [nameOf(one), "outside", one.pods.length]));
  }
  // Losses first, because they matter most before applying a change.
  changes.sort((a, b) => (a.change === b.change ? 0 : a.change === "loses" ? -1 : 1));
  return {
    changes: changes.map(({ why, ...change }, i) => (i < EXPLAINED ? { ...change, because: why() } : change)),
    totals,
  };
}

/** A change, and a function that finds the rule that decides. */
type Found = Omit<ReachChange, "because"> & { readonly why: () => string };

/** The number of changes with an explanation. */
const EXPLAINED = 1000;

function outside(four: string, six: string): Dual<Ip> {
  const [v4, v6] = [parseIp(four), parseIp(six)];
  return { ...(v4 && { v4 }), ...(v6 && { v6 }) };
}

function endOf({ network }: Side, pod: PodFact | undefined): Endpoint | undefined {
  if (pod === undefined) {
    return { label: "outside", kind: "address", place: undefined, source: OUTSIDE, destination: OUTSIDE };
  }
  const port = network.podPort(pod);
  return port && podEndpointOf(pod, port);
}

function compare(
  before: Side,
  after: Side,
  [fromPod, toPod]: readonly [PodFact | undefined, PodFact | undefined],
  [from, to, pairs]: readonly [string, string, number],
): readonly Found[] {
  const [a, b] = [before, after].map((side) => {
    const [source, target] = [endOf(side, fromPod), endOf(side, toPod)];
    return source && target && { side, source, target, set: reachOf(side.network, source, target) };
  });
  if (a === undefined || b === undefined) return [];
  const changeOf = (change: ReachChange["change"], points: readonly ProbePoint[]): readonly Found[] => {
    const [point] = [...points].sort((x, y) => Number(y.protocol === "TCP") - Number(x.protocol === "TCP"));
    if (point === undefined) return [];
    const why = (): string => whyAt(b.side, b.source, b.target, point);
    return [
      {
        change,
        from,
        to,
        pairs,
        what: reachText({ open: points, all: isWhole(points) }),
        open: reachText(b.set),
        why,
      },
    ];
  };
  return [...changeOf("loses", reachMinus(a.set, b.set)), ...changeOf("gains", reachMinus(b.set, a.set))];
}

/** The rule that decides at a point: the last place that denies, or the last that has a reason to allow. */
function whyAt({ network, book }: Side, from: Endpoint, to: Endpoint, point: ProbePoint): string {
  const reasons = commonFamilies(from.source, to.destination).map(([source, destination]) => {
    const path = explainPath(network, book, { from, to, source, destination }, packetAt(point, source.family), "");
    const deciding =
      path.steps.findLast((step) => step.verdict === "denied" || step.acl !== undefined) ?? path.steps.at(-1);
    const text = deciding === undefined ? "no policy applies" : `${deciding.what} ${deciding.at}: ${deciding.because}`;
    return { denied: path.verdict === "denied", text };
  });
  return (reasons.find(({ denied }) => denied) ?? reasons[0])?.text ?? "they have no IP family in common";
}

/**
 * The parts of a network that concern a class itself: its location, its ACLs, and the groups by which other rules may
 * refer to it.
 */
function concerns({ network }: Side, { pods: [pod] }: PodClass): string {
  const port = pod && network.podPort(pod);
  if (port === undefined) return "";
  const acls = Object.values(network.listsOf(port))
    .flat()
    .map(({ uuid, tier, priority, match, action }) => [uuid, tier, priority, match, action].join(" "))
    .sort();
  const addresses = Object.values(port.addresses).map((ip) => ip.text);
  return JSON.stringify([port.switch, addresses, port.groups, acls]);
}

/** The parts that concern all pods: routes, and sets of addresses that are not pods'. */
function sharedParts(network: Network): string {
  return JSON.stringify([[...network.allRouterPolicies()], network.plainAddressSets()]);
}
