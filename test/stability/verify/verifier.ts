// SPDX-License-Identifier: Apache-2.0

import type { Stage } from "../run/stage.ts";
import type { Verdict } from "../sla/sla.ts";
import type { Need, Target } from "../targets/target.ts";

/** The conditions that must hold at the end of a run. */
export interface Verifier {
  readonly needs: readonly Need[];
  /** `loaded`: while what contexts made is still there; `cleaned`: after all was undone. */
  readonly when: "loaded" | "cleaned";
  /** Looks at the cluster before anything is set up; the function returned judges it at its time. Both reject where they cannot. */
  begin(target: Target): Promise<(stage: Stage) => Promise<readonly Verdict[]>>;
}
