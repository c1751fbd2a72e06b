// SPDX-License-Identifier: Apache-2.0

import { NODE } from "../../api/annotations.ts";
import { digestOf } from "../../api/composed-name.ts";
import type { LabelSelector } from "../../api/label-selector.ts";
import { samePlain } from "../../collections/plain.ts";
import { changeOf, type Derivation } from "../../facts/derivation.ts";
import type { NodeFact } from "../../facts/node.ts";
import type { BfdPortFact, VpcFact } from "../../facts/vpc.ts";
import { matchesLabels, selectorProblem } from "../../policy/labels.ts";

/** The number of nodes that may host the BFD port of a VPC without a node selector, as in Kube-OVN. */
const DEFAULT_NODES = 3;

/**
 * The facts `bfdPorts`: the nodes that may host the BFD port of a VPC. A VPC's unit reads only this fact, so other nodes do not wake it.
 * For a VPC without a node selector they are any three nodes, spread by a digest of both names. Readiness of nodes is not considered: OVN moves the
 * port when a chassis dies. Nodes without a chassis are left out.
 */
export const bfdPorts: Derivation<"bfdPorts"> = {
  kind: "bfdPorts",
  keys: (facts) => facts.all("vpcs").map(({ key }) => key),
  changedBy: (change, facts) => {
    const node = changeOf("nodes", change);
    if (node === undefined) return change.kind === "vpcs" ? [change.key] : [];
    if (samePlain(seenOf(node.old), seenOf(node.new))) return [];
    return facts.by("vpcs", "bfdPort", "any").map(({ key }) => key);
  },
  derive: (facts, key) => {
    const vpc = facts.get("vpcs", key);
    return vpc?.bfdPort && { key, ...chooseNodes(vpc, facts.all("nodes")) };
  },
};

/** The parts of a node that decide whether it may host a port. */
function seenOf(node: NodeFact | undefined): object | undefined {
  return node && { labels: node.labels, chassis: node.annotations[NODE.chassis] };
}

function selects(selector: LabelSelector, { labels }: NodeFact): boolean {
  return selectorProblem(selector) === undefined && matchesLabels(selector, labels);
}

function chooseNodes({ name, bfdPort }: VpcFact, all: readonly NodeFact[]): Omit<BfdPortFact, "key"> {
  const selector = bfdPort?.nodeSelector;
  const selected = all.flatMap((node) => {
    const chassis = node.annotations[NODE.chassis];
    if (chassis === undefined || (selector !== undefined && !selects(selector, node))) return [];
    return [{ name: node.name, chassis, place: digestOf([name, node.name]) }];
  });
  selected.sort((a, b) => (a.place < b.place ? -1 : 1));
  const nodes = selector === undefined ? selected.slice(0, DEFAULT_NODES) : selected;
  return { nodes: nodes.map(({ name: node, chassis }) => ({ name: node, chassis })) };
}
