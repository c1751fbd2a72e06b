// SPDX-License-Identifier: Apache-2.0

import type { FactReader } from "../../facts/store.ts";
import type { Dual } from "../../net/dual.ts";
import { isInBlock, type SourcesGroup } from "../../policy/node-sources.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { groupSetId } from "../owner-ids.ts";

/** The groups of policies that a node may be in by its InternalIPs, by name. */
export type NodeBlocks = readonly (readonly [name: string, group: SourcesGroup])[];

/** Reads the groups of one node. */
export function blocksOfNode(reader: FactReader, node: string): NodeBlocks {
  return (reader.get("nodeSources", node)?.groups ?? []).flatMap((name) => {
    const group = reader.get("groups", name)?.group;
    return group?.kind === "sources" ? [[name, group] as const] : [];
  });
}

/**
 * Adds the addresses from which a node sends to Services to the groups whose block contains its InternalIP of that family.
 * @param accepted its trusted InternalIPs.
 */
export function addNodeSources(
  build: FragmentBuilder,
  blocks: NodeBlocks,
  accepted: Dual<string>,
  sources: Dual<string>,
): void {
  for (const [name, block] of blocks) {
    for (const [family, number] of [
      ["v4", 4],
      ["v6", 6],
    ] as const) {
      const [address, source] = [accepted[family], sources[family]];
      if (address !== undefined && source !== undefined && isInBlock(block, address))
        build.member("Address_Set", groupSetId(name, number), "addresses", source);
    }
  }
}
