// SPDX-License-Identifier: Apache-2.0

import { NODE } from "../api/annotations.ts";
import { nodePortName } from "../api/port-names.ts";
import type { NodeFact } from "../facts/node.ts";
import type { FactReader } from "../facts/store.ts";
import type { EventRow, Health, NodeDetail, NodeRow, Page, ShownProblem } from "./contract.ts";
import { notFound } from "./page-error.ts";
import { matchesText, type PageQuestion, pageOf } from "./pages.ts";
import { type Viewer, visiblePods } from "./viewer.ts";

const ZONE_LABEL = "topology.kubernetes.io/zone";

/** Which nodes are asked for. */
export interface NodesQuestion extends PageQuestion {
  /** Part of the name, or of an address. */
  readonly query?: string;
}

/** The nodes that the viewer sees: all or none. Throws a `PageError`. */
export function nodesPage(facts: FactReader, viewer: Viewer, question: NodesQuestion): Page<NodeRow> {
  const text = (question.query ?? "").toLowerCase();
  const nodes = viewer.sees.nodes ? facts.all("nodes") : [];
  const found = nodes.filter(({ name, addresses }) => text === "" || matchesText(text, name, ...addresses));
  const pods = podsByNode(facts, viewer);
  return pageOf(
    found,
    ({ key }) => key,
    (node) => nodeRow(facts, node, pods),
    question,
  );
}

/** Node → the number of the viewer's pods on it. */
export function podsByNode(facts: FactReader, viewer: Viewer): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { node, alive } of visiblePods(facts, viewer))
    if (node !== undefined && alive) counts.set(node, (counts.get(node) ?? 0) + 1);
  return counts;
}

function nodeRow(facts: FactReader, node: NodeFact, pods: ReadonlyMap<string, number>): NodeRow {
  const { name, ready, internal, annotations, labels } = node;
  const join = facts.get("ips", nodePortName(name));
  const zone = labels[ZONE_LABEL];
  return {
    ...{ name, ready },
    ...nodeHealth(facts, node),
    internal: Object.values(internal),
    join: [join?.v4 ?? "", join?.v6 ?? ""].filter((text) => text !== ""),
    chassis: annotations[NODE.chassis] ?? "",
    pods: pods.get(name) ?? 0,
    ...(zone !== undefined && { zone }),
  };
}

/** How a node is: its most severe problem. */
export function nodeHealth(facts: FactReader, node: NodeFact): { readonly state: Health; readonly problem?: string } {
  const problems = nodeProblems(facts, node);
  const worst = problems.find(({ severity }) => severity === "error") ?? problems[0];
  return worst === undefined
    ? { state: "ok" }
    : { state: worst.severity, problem: `${worst.reason}: ${worst.message}` };
}

/** What needs a hand at a node, by its conditions. */
export function nodeProblems(facts: FactReader, node: NodeFact): readonly ShownProblem[] {
  const about = { kind: "Node", name: node.name };
  const problems: ShownProblem[] = [];
  const add = (
    told: { readonly reason: string; readonly message: string },
    severity: ShownProblem["severity"],
  ): unknown => problems.push({ severity, about, source: "condition", ...told });
  if (!node.ready)
    add({ reason: "NotReady", message: "its kubelet reports that it is not Ready, or reports nothing" }, "error");
  const chassis = node.chassisProblem ?? facts.get("chassisProblems", node.name);
  if (chassis !== undefined) add({ reason: chassis.reason, message: chassis.message }, "error");
  for (const problem of [node.addressProblem, node.networksProblem, node.servicesProblem])
    if (problem !== undefined) add(problem, "warning");
  const unreachable = unreachableFrom(facts, node);
  if (unreachable !== undefined)
    add({ reason: "TunnelsDown", message: `it reports that its tunnels to ${unreachable} are down` }, "error");
  return problems;
}

function unreachableFrom(facts: FactReader, { annotations }: NodeFact): string | undefined {
  const chassis = annotations[NODE.unreachable];
  if (chassis === undefined) return undefined;
  return facts.by("nodes", "chassis", chassis)[0]?.name ?? `chassis ${chassis}`;
}

/** A node. Throws a `PageError`. */
export function nodeDetail(facts: FactReader, viewer: Viewer, name: string, events: readonly EventRow[]): NodeDetail {
  const node = viewer.sees.nodes ? facts.get("nodes", name) : undefined;
  if (node === undefined) throw notFound(`node ${name}`);
  const unreachable = unreachableFrom(facts, node);
  const gatewayOf = viewer.sees.networks
    ? facts.all("subnetGateways").flatMap(({ key, nodes }) => (nodes.some((each) => each.name === name) ? key : []))
    : [];
  const encaps = facts.all("encaps").filter(({ chassis }) => chassis === node.annotations[NODE.chassis]);
  return {
    ...nodeRow(facts, node, podsByNode(facts, viewer)),
    tunnelAddresses: [...new Set(encaps.map(({ ip }) => ip))],
    gatewayOf,
    ...(unreachable !== undefined && { unreachable }),
    problems: nodeProblems(facts, node),
    events,
  };
}
