// SPDX-License-Identifier: Apache-2.0

import type { PodFact } from "../facts/pod.ts";
import { podEndpointOf } from "./endpoint.ts";
import { explainPath } from "./explain.ts";
import { type ProbePoint, packetAt } from "./match-uses.ts";
import type { Network } from "./network.ts";
import type { NetworkPort } from "./network-port.ts";
import { classesOf, classNames, type PodClass, signatures } from "./pod-classes.ts";
import type { PolicyIndex } from "./policy-index.ts";
import { commonFamilies, type ReachSet, reachBetween, reachText } from "./reach-set.ts";

/** A row or column: pods that policies cannot distinguish. */
export interface MatrixGroup {
  readonly name: string;
  /** `namespace/pod` of each. */
  readonly pods: readonly string[];
}

/** The traffic that is allowed from pods of one group to pods of another. */
export interface MatrixCell {
  readonly reach: "all" | "some" | "none" | "self";
  /** The allowed traffic, as text. */
  readonly open: string;
  /** The rule that denies the rest, if requested and the matrix is not too large. */
  readonly why?: string;
}

/** The reachability between groups of pods. */
export interface Matrix {
  readonly rows: readonly MatrixGroup[];
  readonly columns: readonly MatrixGroup[];
  /** Row by row. */
  readonly cells: readonly (readonly MatrixCell[])[];
  /** The port of the question; absent: all. */
  readonly port?: string;
  /** Pairs of pods, without each pod and itself. */
  readonly totals: { readonly pairs: number; readonly all: number; readonly some: number; readonly none: number };
  /** Pods that have no port yet and so are not included. */
  readonly absent: readonly string[];
}

/** The question of a matrix. */
export interface MatrixRequest {
  readonly from: readonly PodFact[];
  readonly to: readonly PodFact[];
  /** Only this port; otherwise all ports of all protocols. */
  readonly only?: ProbePoint;
  readonly portText?: string;
  /** Whether each cell has the reason for denied traffic, which takes longer. */
  readonly reasons?: boolean;
}

/** The largest matrix, in cells, with reasons. */
const REASONS = 40_000;

/** Evaluates all pairs by one pair of each two classes. Pure. */
export function matrix(
  network: Network,
  book: PolicyIndex,
  { from, to, only, portText, reasons = false }: MatrixRequest,
): Matrix {
  const signatureOf = signatures(network);
  const sign = (pod: PodFact): string | undefined => {
    const port = network.podPort(pod);
    return port && signatureOf(port);
  };
  const [rows, columns] = [classesOf(from, sign), classesOf(to, sign)];
  const totals = { pairs: 0, all: 0, some: 0, none: 0 };
  // A matrix too large to read gets no reasons.
  const explained = reasons && rows.length * columns.length <= REASONS ? book : undefined;
  const columnOf = new Map(columns.flatMap((column) => column.pods.map((pod) => [pod, column] as const)));
  const cells = rows.map((row) =>
    columns.map((column): MatrixCell => {
      const shared = row.pods.filter((pod) => columnOf.get(pod) === column).length;
      const pairs = row.pods.length * column.pods.length - shared;
      const pair = twoOf(row, column);
      if (pair === undefined || pairs === 0) return { reach: "self", open: "itself" };
      const cell = cellOf(network, pair, only, explained);
      totals.pairs += pairs;
      if (cell.reach !== "self") totals[cell.reach] += pairs;
      return cell;
    }),
  );
  const absent = [...new Set([...from, ...to])].filter((pod) => network.podPort(pod) === undefined);
  return {
    rows: groupsOf(rows),
    columns: groupsOf(columns),
    cells,
    ...(portText !== undefined && { port: portText }),
    totals,
    absent: absent.map(({ key }) => key).sort(),
  };
}

function groupsOf(classes: readonly PodClass[]): readonly MatrixGroup[] {
  const names = classNames(classes);
  return classes.map((one) => ({ name: names.get(one) ?? "", pods: one.pods.map(({ key }) => key) }));
}

/** Two different pods, one of each class. */
export function twoOf(a: PodClass, b: PodClass): readonly [PodFact, PodFact] | undefined {
  for (const from of a.pods.slice(0, 2)) for (const to of b.pods.slice(0, 2)) if (from !== to) return [from, to];
  return undefined;
}

function cellOf(
  network: Network,
  [from, to]: readonly [PodFact, PodFact],
  only: ProbePoint | undefined,
  book: PolicyIndex | undefined,
): MatrixCell {
  const [sender, receiver] = [network.podPort(from), network.podPort(to)];
  if (sender === undefined || receiver === undefined) return { reach: "none", open: "nothing" };
  const set = reachBetween(network, sender, receiver, only);
  if (set.all) return { reach: "all", open: "everything" };
  const cell: MatrixCell = { reach: set.open.length === 0 ? "none" : "some", open: reachText(set) };
  if (book === undefined) return cell;
  return { ...cell, why: whyNot(network, book, [from, sender], [to, receiver], set, only) };
}

/** The text for the first traffic that is denied. */
function whyNot(
  network: Network,
  book: PolicyIndex,
  [fromPod, sender]: readonly [PodFact, NetworkPort],
  [toPod, receiver]: readonly [PodFact, NetworkPort],
  set: ReachSet,
  only?: ProbePoint,
): string {
  const families = commonFamilies(sender.addresses, receiver.addresses);
  if (families.length === 0) return "they have no IP family in common";
  const closed = only ?? firstClosed(set);
  const ends = { from: podEndpointOf(fromPod, sender), to: podEndpointOf(toPod, receiver) };
  for (const [source, destination] of families) {
    const packet = packetAt(closed, source.family);
    const path = explainPath(network, book, { ...ends, source, destination }, packet, "");
    const last = path.steps.at(-1);
    if (path.verdict === "denied" && last !== undefined) return `${last.what} ${last.at}: ${last.because}`;
  }
  return "it is denied";
}

/** A point that is denied: of TCP if there is one, because that is the most common question. */
function firstClosed({ open }: ReachSet): ProbePoint {
  for (const protocol of ["TCP", "UDP", "SCTP", "ICMP"] as const) {
    const own = open.filter((run) => run.protocol === protocol);
    if (protocol === "ICMP" && own.length === 0) return { protocol, first: 0, last: 0 };
    let next = 1;
    for (const run of own) if (run.first <= next) next = run.last + 1;
    if (next <= 65_535) return { protocol, first: next, last: next };
  }
  return { protocol: "TCP", first: 1, last: 1 };
}
