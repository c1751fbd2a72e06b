// SPDX-License-Identifier: Apache-2.0

import { Graph as LayoutGraph, layout } from "@dagrejs/dagre";
import type { Graph } from "./graph.ts";

/** The size of a node, in px. */
export const NODE_SIZE = { width: 196, height: 54 } as const;

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
  /** For each edge the points that it goes through, in px. */
  readonly lines: readonly { readonly x: number; readonly y: number }[][];
}

/** Places VPCs, subnets, gateways and nodes in columns from left to right (dagre). */
export function placed({ nodes, edges }: Graph): PlacedGraph {
  const graph = new LayoutGraph({ multigraph: true });
  graph.setGraph({ rankdir: "LR", nodesep: 14, ranksep: 84, marginx: 20, marginy: 20 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { id } of nodes) graph.setNode(id, { ...NODE_SIZE });
  edges.forEach(({ from, to, kind }, index) => {
    // From the VPC to the right, whichever way the edge is told.
    const [left, right] = rank(from) <= rank(to) ? [from, to] : [to, from];
    graph.setEdge(left, right, {}, `${kind} ${index}`);
  });
  layout(graph);
  const { width = 0, height = 0 } = graph.graph();
  const places = new Map<string, PlacedNode>();
  for (const { id } of nodes) {
    const { x, y } = graph.node(id);
    places.set(id, { id, x: x - NODE_SIZE.width / 2, y: y - NODE_SIZE.height / 2 });
  }
  const lines = edges.map(({ from, to, kind }, index) => {
    const [left, right] = rank(from) <= rank(to) ? [from, to] : [to, from];
    return graph.edge(left, right, `${kind} ${index}`).points ?? [];
  });
  return { width, height, places, lines };
}

const RANKS = ["vpc", "subnet", "rest", "vlan", "gateway", "node"];

function rank(id: string): number {
  return RANKS.indexOf(id.split("/")[0] ?? "");
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
