// SPDX-License-Identifier: Apache-2.0

import type { NodeKernel } from "../../node/kernel.ts";
import { PROBE_OWNER } from "../../node/marks.ts";

/** The number of VPCs that a node can probe at the same time. */
export const SLOTS = 99;

/** Routing table of a slot (1 to {@link SLOTS}). */
export function tableOfSlot(slot: number): number {
  return 8700 + slot;
}

/**
 * Assigns a small number (slot) to each link by which a VPC is probed. The VPC's mark, routing table and conntrack zone follow from it. A link keeps
 * its slot while it is wanted, so another VPC changes nothing of the others. After a restart the slots are read from the routes in the kernel.
 */
export class ProbeSlots {
  #slots: ReadonlyMap<string, number> | undefined;

  /** The slots of `links`; links for which no slot is free are left out. */
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
