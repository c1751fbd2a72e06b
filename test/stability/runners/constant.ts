// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { plugin } from "../plugin.ts";
import { MAX_CONCURRENCY, type Runner } from "./runner.ts";

const options = z.strictObject({
  times: z.int().min(1).max(100_000),
  concurrency: z.int().min(1).max(MAX_CONCURRENCY).default(1),
});

/** A number of iterations, with a constant number in parallel. */
export const CONSTANT = plugin({
  name: "constant",
  summary: "so many iterations, a constant number of them at once",
  options,
  bind: ({ times, concurrency }): Runner => ({
    iterations: times,
    async run({ next, signal }) {
      let left = times;
      const line = async (): Promise<void> => {
        while (left > 0 && !signal.aborted) {
          left--;
          await next();
        }
      };
      await Promise.all(Array.from({ length: Math.min(concurrency, times) }, line));
    },
  }),
});
