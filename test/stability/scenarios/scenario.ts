// SPDX-License-Identifier: Apache-2.0

import type { Stage } from "../run/stage.ts";
import type { Need } from "../targets/target.ts";

/** Times the atomic actions of one iteration. */
export interface Actions {
  /** Runs a step and measures it. An exception fails the action and is rethrown. */
  timed<R>(action: string, work: () => Promise<R>): Promise<R>;
  /** Adds an action that was measured elsewhere, in milliseconds. */
  measured(action: string, ms: number): void;
}

/** A scenario that is ready to run. */
export interface Prepared {
  /** One iteration; it has failed where this rejects. Several may run at once, as the runner wants it. */
  iterate(actions: Actions, n: number): Promise<void>;
  /** Ends what `prepare` began. Objects of the cluster are undone by what was recorded. */
  stop(): Promise<void>;
}

/** A kind of work under which a cluster is broken. */
export interface Scenario {
  readonly needs: readonly Need[];
  /** Names of contexts without which it cannot run. */
  readonly requires: readonly string[];
  prepare(stage: Stage): Promise<Prepared>;
}
