// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { plugin } from "../plugin.ts";
import { rounded } from "./limit.ts";
import type { Sla } from "./sla.ts";

const options = z.strictObject({
  max: z.number().positive(),
  /** One atomic action instead of the iteration. */
  action: z.string().optional(),
});

/** No iteration, or no action of that name, takes longer than this number of seconds. */
export const MAX_SECONDS_PER_ITERATION = plugin({
  name: "max_seconds_per_iteration",
  summary: "no iteration (or action) takes longer than so many seconds",
  options,
  bind: ({ max, action }): Sla => ({
    ofFault: false,
    judge(_measured, { samples }) {
      const name = "max_seconds_per_iteration";
      const all = samples.flatMap(({ ms, actions }) =>
        action === undefined ? [ms] : actions.filter((one) => one.name === action).map((one) => one.ms),
      );
      const what = action ?? "iteration";
      if (all.length === 0)
        return { name, outcome: "unmeasurable", text: `${name} could not be measured: there was no ${what}` };
      const longest = all.reduce((a, b) => Math.max(a, b), 0) / 1000;
      const text = `the longest ${what} took ${rounded(longest)} s, allowed ${max} s`;
      return { name, outcome: longest <= max ? "passed" : "failed", text };
    },
  }),
});
