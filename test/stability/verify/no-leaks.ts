// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import type { Kube } from "../../../src/kube/kube.ts";
import { NAMESPACES } from "../../../src/kube/resources.ts";
import type { Clock } from "../../../src/time/clock.ts";
import type { Inventory } from "../../e2e/testing/inventory.ts";
import { follow } from "../contexts/follow.ts";
import { plugin } from "../plugin.ts";
import { pauseOrAbort } from "../run/pause.ts";
import type { Target } from "../targets/target.ts";
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

/** An inventory that has not changed for so long is that of a cluster at rest … */
const REST_MS = 2_000;
/** … or what is there after so long: something that always changes is reported by the comparison. */
const RESTLESS_MS = 60_000;

/** The inventory once nothing is being removed: sandboxes and IP objects of an earlier run's pods go after the pods. */
async function inventoryAtRest(target: Target, clock: Clock): Promise<Inventory> {
  const begun = clock.now();
  let now = await target.inventory();
  for (;;) {
    const before = now;
    await pauseOrAbort(clock, REST_MS);
    now = await target.inventory();
    if (inventoryDifferences(before, now).length === 0 || clock.now() - begun > RESTLESS_MS) return now;
  }
}

/** After the cleanup the cluster has the same ports, IP objects, interfaces, namespaces and processes as before. */
export const NO_LEAKS = plugin({
  name: "no_leaks",
  summary: "after the run there are the same ports, IP objects, interfaces, namespaces and processes as before",
  options,
  bind: ({ seconds }): Verifier => ({
    needs: ["inventory"],
    when: "cleaned",
    async begin(target, clock) {
      await nothingLeaves(target.kube);
      const before = await inventoryAtRest(target, clock);
      return async (stage) => [
        await eventually(stage, "no_leaks", seconds * 1000, async () =>
          inventoryDifferences(before, await target.inventory()),
        ),
      ];
    },
  }),
});
