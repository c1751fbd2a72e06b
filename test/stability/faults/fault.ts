// SPDX-License-Identifier: Apache-2.0

import type { Stage } from "../run/stage.ts";
import type { Need } from "../targets/target.ts";

/** A fault that was injected. */
export interface Injected {
  /** The affected part, for reports: `weft-daemon on weft-2`. */
  readonly hit: string;
  /** Ends it, and resolves when what it hit is back. Of a fault that ends by itself, like a kill of what is supervised, only the latter. */
  end(): Promise<void>;
}

/** A way of breaking a cluster. */
export interface Fault {
  readonly needs: readonly Need[];
  /** Its name in a report. */
  readonly shown: string;
  /** Whether it lasts until `end`: such a hook needs `for`. */
  readonly lasts: boolean;
  /** Chooses what it hits, records what takes it back, and begins. Resolves when it has begun. */
  inject(stage: Stage): Promise<Injected>;
}
