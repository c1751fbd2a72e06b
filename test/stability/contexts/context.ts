// SPDX-License-Identifier: Apache-2.0

import type { Stage } from "../run/stage.ts";
import type { Capability } from "../targets/target.ts";

/**
 * The objects that exist before the load begins: a namespace, pods, a Service. Its recorded steps undo it, see
 * `Stage.record`.
 */
export interface Context {
  /** Contexts are set up from the lowest to the highest, and undone in the reverse order. */
  readonly order: number;
  readonly needs: readonly Capability[];
  /** Names of contexts that this one requires. */
  readonly requires: readonly string[];
  setUp(stage: Stage): Promise<void>;
}
