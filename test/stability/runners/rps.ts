// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { plugin } from "../plugin.ts";
import { pauseOrAbort } from "../run/pause.ts";
import { MAX_SECONDS, type Runner } from "./runner.ts";

const options = z.strictObject({
  rps: z.number().positive().max(200),
  seconds: z.number().positive().max(MAX_SECONDS),
  /** Due iterations beyond this number of running ones are skipped, and counted. */
  max_at_once: z.int().min(1).max(2_000).default(1_000),
});

/**
 * Begins iterations at a constant rate, however long they take: each is due at its time from the beginning, so a late one moves none after it. A
 * process that was stopped begins at most one second's iterations at once.
 */
export const RPS = plugin({
  name: "rps",
  summary: "begins iterations at a constant rate, for some seconds and until faults are over",
  options,
  bind: ({ rps, seconds, max_at_once: most }): Runner => ({
    seconds,
    async run({ next, skip, wanted, clock, signal }) {
      const begun = clock.now();
      const running = new Set<Promise<void>>();
      const due = (n: number): number => begun + (n * 1000) / rps;
      for (let n = 0; (due(n) < begun + seconds * 1000 || wanted()) && !signal.aborted; n++) {
        if (due(n) < clock.now() - 1000) {
          skip();
          continue;
        }
        await pauseOrAbort(clock, due(n) - clock.now(), signal);
        if (signal.aborted) break;
        if (running.size >= most) skip();
        else {
          const one = next().finally(() => running.delete(one));
          running.add(one);
        }
      }
      await Promise.all(running);
    },
  }),
});
