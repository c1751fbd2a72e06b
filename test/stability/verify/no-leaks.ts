// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import type { Kube } from "../../../src/kube/kube.ts";
import { NAMESPACES } from "../../../src/kube/resources.ts";
import type { Inventory } from "../../e2e/testing/inventory.ts";
import { follow } from "../contexts/follow.ts";
import { plugin } from "../plugin.ts";
import { eventually } from "./eventually.ts";
import type { Verifier } from "./verifier.ts";

const options = z.strictObject({ seconds: z.number().min(0).max(600).default(60) });

/** The differences of two inventories. */
export function inventoryDifferences(before: Inventory, now: Inventory): readonly string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(now)])].sort().flatMap((place) => {
    const [old, new_] = [before[place] ?? [], now[place] ?? []];
    const left = without(new_, old).map((name) => `${place}: ${name} was left behind`);
    const lost = without(old, new_).map((name) => `${place}: ${name} is missing`);
    return [...left, ...lost];
  });
}

/** The names of one list that are missing in the other, with multiplicity. */
function without(names: readonly string[], others: readonly string[]): readonly string[] {
  const left = [...others];
  return names.filter((name) => {
    const at = left.indexOf(name);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

/** How long namespaces that others have deleted may take to go before a run begins, in ms. */
const LEAVES_MS = 120_000;

/** Waits for namespaces that are being deleted: what goes by itself during a run is not missing afterwards. */
async function nothingLeaves(kube: Kube): Promise<void> {
  await using namespaces = follow(kube, NAMESPACES, {});
  await namespaces.ready();
  for (const { metadata } of namespaces.values())
    if (metadata.deletionTimestamp !== undefined) await namespaces.gone(metadata.name, LEAVES_MS);
}

/** After the cleanup the cluster has the same ports, IP objects, interfaces, namespaces and processes as before. */
export const NO_LEAKS = plugin({
  name: "no_leaks",
  summary: "after the run there are the same ports, IP objects, interfaces, namespaces and processes as before",
  options,
  bind: ({ seconds }): Verifier => ({
    needs: ["inventory"],
    when: "cleaned",
    async begin(target) {
      await nothingLeaves(target.kube);
      const before = await target.inventory();
      return async (stage) => [
        await eventually(stage, "no_leaks", seconds * 1000, async () =>
          inventoryDifferences(before, await target.inventory()),
        ),
      ];
    },
  }),
});
