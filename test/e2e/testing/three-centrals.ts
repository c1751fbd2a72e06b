// SPDX-License-Identifier: Apache-2.0

import { openLab } from "../../../hack/lab/lab.ts";
import type { Thing } from "./objects.ts";
import { isReady } from "./pods.ts";
import { when } from "./when.ts";
import { type World, whyNoLab } from "./world.ts";

/** What one of several centrals leads in. */
export type CentralPart = "nb" | "sb" | "northd";

/** As `whyNoLab`, for tests that need three centrals. */
export function whyNotThreeCentrals(): string | false {
  const lab = whyNoLab();
  if (lab !== false) return lab;
  return openLab().settings?.centrals === 3 ? false : "needs three centrals: npm run lab -- up --nodes 3 --centrals 3";
}

/** The central that leads in a part, by its label, as soon as exactly one has it; `not`: another than this one. */
export function leaderOf(world: World, part: CentralPart, not?: Thing): Promise<Thing> {
  const look = (): Thing | undefined => {
    const labelled = world
      .own("ovn-central")
      .filter(({ metadata }) => metadata.labels?.[`ovn-${part}-leader`] === "true");
    const [leader] = labelled;
    return labelled.length === 1 && leader?.metadata.uid !== not?.metadata.uid ? leader : undefined;
  };
  return when((listener) => world.pods.subscribe(listener), look, `one central leads in ${part}`, 60_000);
}

/** Resolves when three centrals are Ready. */
export function whole(world: World): Promise<true> {
  const three = (): true | undefined => {
    const centrals = world.own("ovn-central");
    return centrals.length === 3 && centrals.every((pod) => isReady(pod)) ? true : undefined;
  };
  return when((listener) => world.pods.subscribe(listener), three, "three centrals are Ready", 120_000);
}
