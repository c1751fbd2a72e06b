// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { plugin } from "../plugin.ts";
import { MAX_CONCURRENCY, MAX_SECONDS, type Runner } from "./runner.ts";

const options = z.strictObject({
  seconds: z.number().positive().max(MAX_SECONDS),
  concurrency: z.int().min(1).max(MAX_CONCURRENCY).default(1),
});

/** A constant number of parallel iterations, for a duration and until faults have ended. */
export const CONSTANT_FOR_DURATION = plugin({
  name: "constant_for_duration",
  summary: "a constant number of iterations at once, for some seconds and until faults are over",
  options,
  bind: ({ seconds, concurrency }): Runner => ({
    seconds,
    async run({ next, wanted, clock, signal }) {
      const end = clock.now() + seconds * 1000;
      const line = async (): Promise<void> => {
        while ((clock.now() < end || wanted()) && !signal.aborted) await next();
      };
      await Promise.all(Array.from({ length: concurrency }, line));
    },
  }),
});
