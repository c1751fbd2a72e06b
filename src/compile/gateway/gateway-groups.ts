// SPDX-License-Identifier: Apache-2.0

import { NODE } from "../../api/annotations.ts";
import type { FactChange } from "../../facts/fact-change.ts";
import type { FactStore } from "../../facts/store.ts";

/** The maximum number of chassis in a group: rows stay linear in gateway nodes, and several may fail at once. */
const MOST = 5;
/** A chassis alone has nobody to watch it. */
const LEAST = 2;

/**
 * Maintains the facts `gatewayGroups`: the chassis that watch each gateway node, for subnets with more than one gateway node. Besides the node itself
 * these are the next ones in the order of all nodes' names, so a node that is added or removed changes only few groups.
 */
export class GatewayGroups {
  readonly #facts: FactStore;
  #started = false;

  constructor(facts: FactStore) {
    this.#facts = facts;
  }

  /** Processes all facts at once. */
  start(): void {
    this.#started = true;
    this.#settle();
  }

  /** A fact has changed. */
  noteFact({ kind, old, new: now }: FactChange): void {
    if (!this.#started) return;
    if (kind === "subnetGateways") this.#settle();
    if (kind === "nodes" && chassisOf(old) !== chassisOf(now)) this.#settle();
  }

  #settle(): void {
    const facts = this.#facts;
    const watched = new Set(
      facts.all("subnetGateways").flatMap(({ nodes }) => (nodes.length > 1 ? nodes.map(({ name }) => name) : [])),
    );
    const ring: { readonly node: string; readonly chassis: string }[] = [];
    for (const node of watched.size === 0 ? [] : facts.all("nodes")) {
      const chassis = chassisOf(node);
      // Nodes copied from one disk have the same system-id.
      if (chassis !== undefined && !ring.some((other) => other.chassis === chassis))
        ring.push({ node: node.name, chassis });
    }
    const groups = new Map<string, readonly string[]>();
    for (const [at, { node }] of ring.entries()) {
      if (!watched.has(node) || ring.length < LEAST) continue;
      const members = [...ring.slice(at), ...ring.slice(0, at)].slice(0, MOST);
      groups.set(
        node,
        members.map(({ chassis }) => chassis),
      );
    }
    for (const { key } of facts.all("gatewayGroups")) if (!groups.has(key)) facts.set("gatewayGroups", key, undefined);
    for (const [key, members] of groups) facts.set("gatewayGroups", key, { key, members });
  }
}

function chassisOf(fact: unknown): string | undefined {
  const { annotations } = (fact ?? {}) as { readonly annotations?: Readonly<Record<string, string>> };
  return annotations?.[NODE.chassis];
}
