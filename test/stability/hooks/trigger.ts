// SPDX-License-Identifier: Apache-2.0

import type { Clock } from "../../../src/time/clock.ts";

/** The progress of the load, as triggers see it. */
export interface LoadProgress {
  readonly clock: Clock;
  /** When the load began. */
  readonly begun: number;
  /** Iterations begun by the first load of the run, or by the one named. */
  iterations(load?: string): number;
  /** Calls the listener after each iteration that begins; the returned function ends that. */
  subscribe(listener: () => void): () => void;
  /** Aborted when the load has ended: a trigger that has not fired by then never will. */
  readonly signal: AbortSignal;
}

/** When a fault is injected. */
export interface Trigger {
  readonly shown: string;
  /** Seconds from the beginning of the load, if it is a time. */
  readonly seconds?: number;
  /** The number of the iteration, if it is one, and its load. */
  readonly iteration?: { readonly n: number; readonly of?: string };
  /** Resolves with true when it fires, with false when it never will. */
  wait(progress: LoadProgress): Promise<boolean>;
}
