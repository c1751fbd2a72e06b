// SPDX-License-Identifier: Apache-2.0

import type { NodeKernel } from "../../node/kernel.ts";
import { PROBE_OWNER } from "../../node/marks.ts";

/** How many VPCs a node can probe at a time. */
export const SLOTS = 99;

/** Routing table of a slot (1 to {@link SLOTS}). */
export function tableOfSlot(slot: number): number {
  return 8700 + slot;
}

/**
 * A small number for each link by which a VPC is probed, from which its mark, routing table and conntrack zone follow. A link keeps its number for as long as it is wanted, so that
 * one VPC more changes nothing of the others; after a restart the routes in the kernel tell it.
 */
export class ProbeSlots {
  #slots: ReadonlyMap<string, number> | undefined;

  /** Slots of `links`; none for those that find no number free. */
  assign(links: readonly string[], kernel: Pick<NodeKernel, "routes" | "links">): ReadonlyMap<string, number> {
    const known = this.#slots ?? slotsInKernel(kernel);
    const slots = new Map<string, number>();
    const used = new Set<number>();
    for (const link of links) {
      const slot = known.get(link);
      if (slot === undefined || used.has(slot)) continue;
      slots.set(link, slot);
      used.add(slot);
    }
    let next = 1;
    for (const link of links) {
      if (slots.has(link)) continue;
      while (used.has(next)) next++;
      if (next > SLOTS) break;
      slots.set(link, next);
      used.add(next);
    }
    this.#slots = slots;
    return slots;
  }
}

function slotsInKernel(kernel: Pick<NodeKernel, "routes" | "links">): ReadonlyMap<string, number> {
  const names = new Map(kernel.links().map(({ index, name }) => [index, name]));
  const found = new Map<string, number>();
  for (const { device, table } of kernel.routes({ protocol: PROBE_OWNER.protocol })) {
    const name = names.get(device ?? 0);
    const slot = table - tableOfSlot(0);
    if (name !== undefined && slot >= 1 && slot <= SLOTS) found.set(name, slot);
  }
  return found;
}
