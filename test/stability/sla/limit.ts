// SPDX-License-Identifier: Apache-2.0

import { MEASURES, type Measured } from "../measure/measures.ts";
import type { LoadRecord } from "../measure/samples.ts";
import type { Sla, Verdict } from "./sla.ts";

/** Measures of downtimes: if the load ends within one, they are only lower bounds. */
const OF_DOWNTIME: readonly string[] = ["longest_gap", "downtime", "recovery"];

/** An SLA that puts an upper limit on one measure, whose name it has. */
export function atMost(measure: string, limit: number): Sla {
  const description = MEASURES.find(({ name }) => name === measure);
  const unit = description === undefined || description.unit === "" ? "" : ` ${description.unit}`;
  return {
    ofFault: description?.ofFault ?? false,
    judge(measured: Measured, { samples }: LoadRecord): Verdict {
      const value = measured[measure];
      if (value === undefined)
        return { name: measure, outcome: "unmeasurable", text: `${measure} could not be measured: ${why(measured)}` };
      if (value <= limit && OF_DOWNTIME.includes(measure) && samples.at(-1)?.ok === false) {
        const why = `it is at least ${rounded(value)}${unit}, because the last iteration failed too; the load must go on for longer (settle)`;
        return { name: measure, outcome: "unmeasurable", text: `${measure} could not be measured: ${why}` };
      }
      const text = `${measure} ${rounded(value)}${unit}, allowed ${limit}${unit}`;
      return { name: measure, outcome: value <= limit ? "passed" : "failed", text };
    },
  };
}

function why(measured: Measured): string {
  if (measured["longest_iteration"] === undefined) return "the load made no iteration";
  if (measured["failures"] === undefined) return "no iteration ended after the fault began";
  if (measured["baseline"] === undefined) return "no iteration succeeded before the fault";
  return "no iteration succeeded during or after the fault";
}

/** A figure with up to three decimals. */
export function rounded(value: number): string {
  return String(Math.round(value * 1000) / 1000);
}
