// SPDX-License-Identifier: Apache-2.0

import type { Measured } from "../measure/measures.ts";
import type { LoadRecord } from "../measure/samples.ts";

/** The verdict of an SLA, or a verifier. */
export interface Verdict {
  readonly name: string;
  /** `unmeasurable`: there was nothing to judge, which is a broken run, not a failed one. */
  readonly outcome: "passed" | "failed" | "unmeasurable";
  /** The observed and the allowed value. */
  readonly text: string;
}

/** A limit for one load of a run. */
export interface Sla {
  /** Whether it is meaningless without a fault; then a task without one is invalid. */
  readonly ofFault: boolean;
  judge(measured: Measured, record: LoadRecord): Verdict;
}
