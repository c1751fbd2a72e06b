// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { type Plugin, plugin } from "../plugin.ts";
import { atMost } from "./limit.ts";
import type { Sla } from "./sla.ts";

const notNegative = z.number().min(0);

function limit(name: string, summary: string): Plugin<Sla> {
  return plugin({ name, summary, options: z.strictObject({ max: notNegative }), bind: ({ max }) => atMost(name, max) });
}

/** At most so many iterations fail once the first fault has begun: 0 is "no packet is lost". */
export const FAILURES = limit("failures", "at most so many iterations fail after the first fault began");
/** At most this share of iterations fail, in percent. */
export const FAILURE_RATE = limit("failure_rate", "at most so many percent of the iterations fail");
/** The longest downtime, in seconds. */
export const LONGEST_GAP = limit("longest_gap", "the longest downtime, in seconds");
/** All downtimes together, in seconds. */
export const DOWNTIME = limit("downtime", "all downtimes together, in seconds");
/** Seconds from the end of the last fault until no iteration fails any more. */
export const RECOVERY = limit("recovery", "seconds from the end of the fault until nothing failed any more");
/** Seconds from the end of the last fault until an iteration succeeded. */
export const FIRST_SUCCESS = limit("first_success", "seconds from the end of the fault until an iteration succeeded");
/** Seconds from the end of the last fault until a new pod was Ready; that of an iteration also deletes it. */
export const FIRST_READY = limit("first_ready", "seconds from the end of the fault until a new pod was Ready");
