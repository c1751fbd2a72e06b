// SPDX-License-Identifier: Apache-2.0

import type { Clock } from "../../../src/time/clock.ts";
import type { Stage } from "../run/stage.ts";
import type { Verdict } from "../sla/sla.ts";
import type { Capability, Target } from "../targets/target.ts";

/** A condition that must be true at the end of a run. */
export interface Verifier {
  readonly needs: readonly Capability[];
  /** `loaded`: while the objects of contexts still exist; `cleaned`: after the cleanup. */
  readonly when: "loaded" | "cleaned";
  /** Reads the cluster before the setup; the returned function checks it at its time. Both reject if they cannot. */
  begin(target: Target, clock: Clock): Promise<(stage: Stage) => Promise<readonly Verdict[]>>;
}
