// SPDX-License-Identifier: Apache-2.0

import type { CommitOutcome } from "../../reconcile/outcome.ts";

/** Counts the transactions of the northbound database. */
export interface CommitObserver {
  /** A transaction has ended, after `ms`. */
  ended(outcome: CommitOutcome["kind"], ms: number): void;
  /** One has been committed for `units` units. */
  committed(units: number): void;
}
