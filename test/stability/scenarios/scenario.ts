// SPDX-License-Identifier: Apache-2.0

import type { Stage } from "../run/stage.ts";
import type { Capability } from "../targets/target.ts";

/** Times the atomic actions of one iteration. */
export interface Actions {
  /** Runs a step and measures it. An exception fails the action and is rethrown. */
  timed<R>(action: string, work: () => Promise<R>): Promise<R>;
  /** Adds an action that was measured elsewhere, in milliseconds. */
  measured(action: string, ms: number): void;
}

/** A scenario that is ready to run. */
export interface Prepared {
  /** One iteration; it has failed if this rejects. The runner may run several in parallel. */
  iterate(actions: Actions, n: number): Promise<void>;
  /** Stops what `prepare` started. Objects of the cluster are removed by the recorded steps. */
  stop(): Promise<void>;
}

/** A kind of work under which a cluster is broken. */
export interface Scenario {
  readonly needs: readonly Capability[];
  /** Names of contexts that it requires. */
  readonly requires: readonly string[];
  prepare(stage: Stage): Promise<Prepared>;
}
