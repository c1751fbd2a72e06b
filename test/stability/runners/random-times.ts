// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { plugin } from "../plugin.ts";
import { pauseOrAbort } from "../run/pause.ts";
import { MAX_SECONDS, type Runner } from "./runner.ts";

const options = z.strictObject({
  times: z.int().min(1).max(10_000),
  /** The iterations begin within this number of seconds. */
  seconds: z.number().positive().max(MAX_SECONDS),
});

/** A number of iterations, each begun at a random moment within some seconds; the moments depend on the task's seed. */
export const RANDOM_TIMES = plugin({
  name: "random_times",
  summary: "so many iterations, each begun at a random moment within some seconds",
  options,
  bind: ({ times, seconds }): Runner => ({
    seconds,
    iterations: times,
    async run({ next, clock, random, signal }) {
      const begun = clock.now();
      const moments = Array.from({ length: times }, () => random() * seconds * 1000).sort((a, b) => a - b);
      const running: Promise<void>[] = [];
      for (const moment of moments) {
        await pauseOrAbort(clock, begun + moment - clock.now(), signal);
        if (signal.aborted) break;
        running.push(next());
      }
      await Promise.all(running);
    },
  }),
});
