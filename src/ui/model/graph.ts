// SPDX-License-Identifier: Apache-2.0

import type { Topology, TopologyEdge, TopologyNode } from "../../page/contract.ts";
import { fullestOf } from "./fill.ts";

/** A part of the topology that fits a screen: what is around one node, or the VPCs and nodes of all. */
export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly TopologyEdge[];
}

/** A node that is shown, or the number of those that are left out. */
export type GraphNode =
  | { readonly id: string; readonly shows: "one"; readonly node: TopologyNode; readonly subnets: number }
  | { readonly id: string; readonly shows: "rest"; readonly kind: TopologyNode["kind"]; readonly count: number };

/** The topology with what is next to each node, made once for an answer of the server. */
export class TopologyIndex {
  readonly #nodes: ReadonlyMap<string, TopologyNode>;
  readonly #edges = new Map<string, TopologyEdge[]>();

  constructor(topology: Topology) {
    this.#nodes = new Map(topology.nodes.map((node) => [node.id, node]));
    for (const edge of topology.edges) {
      for (const end of [edge.from, edge.to]) {
        const known = this.#edges.get(end);
        if (known === undefined) this.#edges.set(end, [edge]);
        else known.push(edge);
      }
    }
  }

  /** The node of an id. */
  get(id: string): TopologyNode | undefined {
    return this.#nodes.get(id);
  }

  /** All nodes of a kind, as the server sorts them. */
  all(kind: TopologyNode["kind"]): readonly TopologyNode[] {
    return [...this.#nodes.values()].filter((node) => node.kind === kind);
  }

  /** The edges at a node. */
  edges(id: string): readonly TopologyEdge[] {
    return this.#edges.get(id) ?? [];
  }

  /** What is next to a node, of one kind where it is given. */
  next(id: string, kind?: TopologyNode["kind"]): readonly TopologyNode[] {
    return this.edges(id).flatMap(({ from, to }) => {
      const node = this.#nodes.get(from === id ? to : from);
      return node === undefined || (kind !== undefined && node.kind !== kind) ? [] : [node];
    });
  }

  /** The VPC of a subnet. */
  vpcOf(id: string): TopologyNode | undefined {
    return this.next(id, "vpc")[0];
  }
}

const SEVERITY: Readonly<Record<TopologyNode["state"], number>> = { error: 0, warning: 1, unknown: 2, ok: 3 };

/** What needs a hand first, then the fullest, then by name. */
export function byNeed(a: TopologyNode, b: TopologyNode): number {
  return (
    SEVERITY[a.state] - SEVERITY[b.state] ||
    filled(b) - filled(a) ||
    a.name.localeCompare(b.name, "en", { numeric: true })
  );
}

function filled(node: TopologyNode): number {
  return node.kind === "subnet" ? (fullestOf(node.fill)?.share ?? 0) : 0;
}

/**
 * What is around `focus`: its neighbours and, for a VPC, what its subnets leave by. Without a focus: the VPCs with their peerings, gateways and nodes. Of each
 * kind at most `limit` nodes are shown, those that need a hand first; one more stands for the rest.
 */
export function graphAround(index: TopologyIndex, focus: string | undefined, limit: number): Graph {
  const center = focus === undefined ? undefined : index.get(focus);
  const near =
    center === undefined
      ? [...index.all("vpc"), ...index.all("gateway"), ...index.all("vlan"), ...index.all("node")]
      : around(index, center);
  const shown: GraphNode[] = [];
  for (const kind of ["vpc", "subnet", "gateway", "vlan", "node"] as const) {
    const all = near.filter((node) => node.kind === kind).toSorted(byNeed);
    // One more instead of "1 more".
    const fits = all.length <= limit + 1 ? all : all.slice(0, limit);
    for (const node of fits) {
      shown.push({ id: node.id, shows: "one", node, subnets: index.next(node.id, "subnet").length });
    }
    if (all.length > fits.length) {
      shown.push({ id: `rest/${kind}`, shows: "rest", kind, count: all.length - fits.length });
    }
  }
  return { nodes: shown, edges: edgesAmong(index, shown, center) };
}

function around(index: TopologyIndex, center: TopologyNode): readonly TopologyNode[] {
  const near = new Map([center, ...index.next(center.id)].map((node) => [node.id, node]));
  if (center.kind === "subnet") return [...near.values()];
  if (center.kind === "vpc") {
    for (const subnet of index.next(center.id, "subnet")) {
      for (const node of index.next(subnet.id)) near.set(node.id, node);
    }
    return [...near.values()];
  }
  // A node, gateway or Vlan: its subnets, and their VPCs.
  for (const subnet of index.next(center.id, "subnet")) {
    const vpc = index.vpcOf(subnet.id);
    if (vpc !== undefined) near.set(vpc.id, vpc);
  }
  return [...near.values()];
}

function edgesAmong(
  index: TopologyIndex,
  shown: readonly GraphNode[],
  center: TopologyNode | undefined,
): readonly TopologyEdge[] {
  const ids = new Set(shown.map(({ id }) => id));
  const edges = new Set<TopologyEdge>();
  for (const { id } of shown) {
    for (const edge of index.edges(id)) {
      if (ids.has(edge.from) && ids.has(edge.to)) edges.add(edge);
    }
  }
  if (center === undefined) return [...edges, ...throughSubnets(index, ids)];
  const rest = shown.filter((node) => node.shows === "rest");
  return [...edges, ...rest.map(({ id }): TopologyEdge => ({ from: center.id, to: id, kind: "member" }))];
}

/** In the view of all there are no subnets: a VPC is joined to what its subnets leave by, once for each. */
function throughSubnets(index: TopologyIndex, ids: ReadonlySet<string>): readonly TopologyEdge[] {
  const edges = new Map<string, TopologyEdge>();
  for (const subnet of index.all("subnet")) {
    const vpc = index.vpcOf(subnet.id);
    if (vpc === undefined || !ids.has(vpc.id)) continue;
    for (const edge of index.edges(subnet.id)) {
      const other = edge.from === subnet.id ? edge.to : edge.from;
      if (edge.kind === "member" || !ids.has(other)) continue;
      edges.set(`${vpc.id} ${other}`, { from: vpc.id, to: other, kind: edge.kind });
    }
  }
  return [...edges.values()];
}
