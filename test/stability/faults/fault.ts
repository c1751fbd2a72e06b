// SPDX-License-Identifier: Apache-2.0

import type { Stage } from "../run/stage.ts";
import type { Capability } from "../targets/target.ts";

/** A fault that was injected. */
export interface Injected {
  /** The affected part, for reports: `weft-daemon on weft-2`. */
  readonly hit: string;
  /** Ends it, and resolves when the affected part has recovered. A fault that ends by itself, like a kill of a supervised process, only waits. */
  end(): Promise<void>;
}

/** A way of breaking a cluster. */
export interface ClusterFault {
  readonly needs: readonly Capability[];
  /** Its name in a report. */
  readonly shown: string;
  /** Whether it lasts until `end`: such a hook needs `for`. */
  readonly lasts: boolean;
  /** Chooses the affected part, records how to undo the fault, and begins. Resolves when it has begun. */
  inject(stage: Stage): Promise<Injected>;
}
