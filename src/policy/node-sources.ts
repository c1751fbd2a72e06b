// SPDX-License-Identifier: Apache-2.0

import type { FactChange } from "../facts/fact-change.ts";
import type { NodeFact } from "../facts/node.ts";
import type { FactStore } from "../facts/store.ts";
import { parseIp } from "../net/address.ts";
import { cidrContains, parseCidr } from "../net/cidr.ts";
import type { Group } from "./types.ts";

/** A group of nodes by their InternalIPs, see `GroupMeaning`. */
export type SourcesGroup = Extract<Group, { readonly kind: "sources" }>;

/** Whether an address is in the block of such a group. */
export function isInBlock({ cidr, except }: SourcesGroup, address: string): boolean {
  const ip = parseIp(address);
  const holds = (text: string): boolean => {
    const block = parseCidr(text);
    return ip !== undefined && block !== undefined && block.family === ip.family && cidrContains(block, ip);
  };
  return holds(cidr) && !except.some(holds);
}

/**
 * Maintains the derived facts `nodeSources`, so that a node's unit is triggered only by the blocks that contain it. The unit decides whether an
 * InternalIP is trusted. The result depends only on the facts and the groups in use.
 */
export class NodeSources {
  readonly #facts: FactStore;
  /** name → group. */
  readonly #groups = new Map<string, SourcesGroup>();

  constructor(facts: FactStore) {
    this.#facts = facts;
  }

  add(name: string, group: SourcesGroup): void {
    this.#groups.set(name, group);
    for (const node of this.#facts.all("nodes")) if (isOf(node, group)) this.#write(node.name);
  }

  remove(name: string): void {
    const group = this.#groups.get(name);
    this.#groups.delete(name);
    for (const node of this.#facts.all("nodes")) if (group && isOf(node, group)) this.#write(node.name);
  }

  noteNode({ key }: FactChange): void {
    this.#write(key);
  }

  #write(key: string): void {
    const node = this.#facts.get("nodes", key);
    const found = [...this.#groups].flatMap(([name, group]) => (node && isOf(node, group) ? [name] : []));
    this.#facts.set("nodeSources", key, found.length === 0 ? undefined : { key, groups: found.sort() });
  }
}

function isOf({ internal }: NodeFact, group: SourcesGroup): boolean {
  return [internal.v4, internal.v6].some((address) => address !== undefined && isInBlock(group, address));
}
