// SPDX-License-Identifier: Apache-2.0

import { NODE } from "../../api/annotations.ts";
import { changeOf, type Deriver } from "../../facts/derivation.ts";
import type { FactChange } from "../../facts/fact-change.ts";
import type { NodeFact } from "../../facts/node.ts";
import type { FactStore } from "../../facts/store.ts";

/** The maximum number of chassis in a group: rows stay linear in gateway nodes, and several may fail at once. */
const MAX_MEMBERS = 5;
/** BFD needs at least two chassis. */
const MIN_MEMBERS = 2;

/**
 * Maintains the facts `gatewayGroups`: the chassis that monitor each gateway node, for subnets with more than one
 * gateway node: the node itself and the next ones in the order of all nodes' names, so a node that is added or
 * removed changes only few groups.
 */
export class GatewayGroups implements Deriver {
  readonly #facts: FactStore;

  constructor(facts: FactStore) {
    this.#facts = facts;
  }

  noteFact(change: FactChange): void {
    const node = changeOf("nodes", change);
    if (change.kind === "subnetGateways" || chassisOf(node?.old) !== chassisOf(node?.new)) this.start();
  }

  start(): void {
    const facts = this.#facts;
    const watched = new Set(
      facts.all("subnetGateways").flatMap(({ nodes }) => (nodes.length > 1 ? nodes.map(({ name }) => name) : [])),
    );
    /** Chassis → its node. */
    const nodes = new Map<string, string>();
    for (const node of watched.size === 0 ? [] : facts.all("nodes")) {
      const chassis = chassisOf(node);
      // Nodes copied from one disk have the same system-id.
      if (chassis !== undefined && !nodes.has(chassis)) nodes.set(chassis, node.name);
    }
    const ring = [...nodes].map(([chassis, node]) => ({ node, chassis }));
    const groups = new Map<string, readonly string[]>();
    for (const [at, { node }] of ring.entries()) {
      if (!watched.has(node) || ring.length < MIN_MEMBERS) continue;
      const members = [...ring.slice(at), ...ring.slice(0, at)].slice(0, MAX_MEMBERS);
      groups.set(
        node,
        members.map(({ chassis }) => chassis),
      );
    }
    for (const { key } of facts.all("gatewayGroups")) if (!groups.has(key)) facts.set("gatewayGroups", key, undefined);
    for (const [key, members] of groups) facts.set("gatewayGroups", key, { key, members });
  }
}

function chassisOf(node: NodeFact | undefined): string | undefined {
  return node?.annotations[NODE.chassis];
}
