// SPDX-License-Identifier: Apache-2.0

import { setTimeout as delay } from "node:timers/promises";
import { KubeError } from "../../../../src/kube/errors.ts";
import type { Kube } from "../../../../src/kube/kube.ts";
import { NAMESPACES } from "../../../../src/kube/resources.ts";
import { StabilityError } from "../../errors.ts";

/** How long the API server of a cluster may be away, in ms: no fault by privileged pods stops it, and an upgrade or another leader takes less. */
const AWAY_MS = 60_000;

/** Resolves when the API server answers, whatever it says. Rejects with StabilityError `target-lost` if it has not within `ms`. */
export async function answering(kube: Kube, ms = AWAY_MS): Promise<void> {
  const deadline = Date.now() + ms;
  for (;;) {
    try {
      await kube.get(NAMESPACES, { name: "kube-system" });
      return;
    } catch (error) {
      if (!(error instanceof KubeError && ["unavailable", "timeout"].includes(error.code))) return;
      if (Date.now() > deadline) {
        const message = `the API server has not answered for ${ms / 1000} s: ${error.message}`;
        throw new StabilityError("target-lost", message, { cause: error });
      }
      await delay(500);
    }
  }
}
