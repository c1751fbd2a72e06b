// SPDX-License-Identifier: Apache-2.0

import type { TopologyNode } from "../../page/contract.ts";
import type { Graph, GraphNode } from "./graph.ts";

/** The size of a node, in px. */
export const NODE_SIZE = { width: 196, height: 54 } as const;
/** Distances between nodes and from the border, in px. Three columns fit beside the details at 1,280 px. */
const GAP = { x: 40, y: 14, border: 16 } as const;

/** The column of each kind, from left to right: an edge goes from a column to a later one, but a peering. */
const COLUMNS: Readonly<Record<TopologyNode["kind"], number>> = { vpc: 0, subnet: 1, vlan: 2, gateway: 2, node: 2 };

/** Where a node is: its left upper corner, in px. */
export interface PlacedNode {
  readonly id: string;
  readonly x: number;
  readonly y: number;
}

/** A graph with places. */
export interface PlacedGraph {
  readonly width: number;
  readonly height: number;
  readonly places: ReadonlyMap<string, PlacedNode>;
  /** For each edge its path, as SVG's `d`. */
  readonly lines: readonly string[];
}

/**
 * Places the nodes in columns: VPCs, subnets, and what these leave by. A column is in the order of the graph, which has what needs attention first; in the last
 * each node is as near as it can be to what it is joined to. No general layout (dagre, elk): these reorder a column to save crossings, and what needs attention
 * would be anywhere in it.
 */
export function placed(graph: Graph): PlacedGraph {
  const columns: GraphNode[][] = [];
  for (const node of graph.nodes) {
    const column = COLUMNS[node.shows === "one" ? node.node.kind : node.kind];
    columns[column] = [...(columns[column] ?? []), node];
  }
  const used = columns.filter((column) => column.length > 0);
  const rows = Math.max(1, ...used.map((column) => column.length));
  const step = NODE_SIZE.height + GAP.y;
  const places = new Map<string, PlacedNode>();
  used.forEach((column, at) => {
    const top = GAP.border + ((rows - column.length) * step) / 2;
    const inOrder = at > 0 && at === used.length - 1 ? byNeighbours(column, graph, places) : column;
    inOrder.forEach(({ id }, row) => {
      places.set(id, { id, x: GAP.border + at * (NODE_SIZE.width + GAP.x), y: top + row * step });
    });
  });
  return {
    width: 2 * GAP.border + used.length * NODE_SIZE.width + Math.max(0, used.length - 1) * GAP.x,
    height: 2 * GAP.border + rows * step - GAP.y,
    places,
    lines: graph.edges.map(({ from, to }) => line(places.get(from), places.get(to))),
  };
}

/** A column by the middle of what each node is joined to; nodes that are joined to nothing stay behind, in their order. */
function byNeighbours(
  column: readonly GraphNode[],
  { edges }: Graph,
  places: ReadonlyMap<string, PlacedNode>,
): readonly GraphNode[] {
  const sums = new Map<string, { total: number; count: number }>();
  for (const { from, to } of edges) {
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      const place = places.get(other);
      if (place === undefined) continue;
      const sum = sums.get(one) ?? { total: 0, count: 0 };
      sums.set(one, { total: sum.total + place.y, count: sum.count + 1 });
    }
  }
  const middle = ({ id }: GraphNode): number => {
    const sum = sums.get(id);
    return sum === undefined ? Number.MAX_VALUE : sum.total / sum.count;
  };
  return column.toSorted((a, b) => middle(a) - middle(b));
}

/** From the right side of the left node to the left side of the other; beside the column where both are in one. */
function line(one: PlacedNode | undefined, other: PlacedNode | undefined): string {
  if (one === undefined || other === undefined) return "";
  const half = NODE_SIZE.height / 2;
  if (one.x === other.x) {
    const out = one.x - GAP.border;
    return `M${one.x} ${one.y + half}C${out} ${one.y + half} ${out} ${other.y + half} ${other.x} ${other.y + half}`;
  }
  const [left, right] = one.x < other.x ? [one, other] : [other, one];
  const [start, end] = [left.x + NODE_SIZE.width, right.x];
  const middle = (start + end) / 2;
  return `M${start} ${left.y + half}C${middle} ${left.y + half} ${middle} ${right.y + half} ${end} ${right.y + half}`;
}

/** A direction of an arrow key. */
export type ArrowDirection = "left" | "right" | "up" | "down";

/** The node that an arrow key leads to: the nearest in that direction, with what is aside counting double; undefined if there is none. */
export function nearest(
  places: ReadonlyMap<string, PlacedNode>,
  from: string,
  direction: ArrowDirection,
): string | undefined {
  const start = places.get(from);
  if (start === undefined) return undefined;
  let best: { readonly id: string; readonly distance: number } | undefined;
  for (const { id, x, y } of places.values()) {
    const [dx, dy] = [x - start.x, y - start.y];
    const ahead = { left: -dx, right: dx, up: -dy, down: dy }[direction];
    const aside = Math.abs(direction === "left" || direction === "right" ? dy : dx);
    if (ahead <= 1) continue;
    const distance = ahead + 2 * aside;
    if (best === undefined || distance < best.distance) best = { id, distance };
  }
  return best?.id;
}
