// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { plugin } from "../plugin.ts";
import type { Runner } from "./runner.ts";

const options = z.strictObject({ times: z.int().min(1).max(100_000) });

/** A number of iterations, one after the other. */
export const SERIAL = plugin({
  name: "serial",
  summary: "one iteration after the other, so many times",
  options,
  bind: ({ times }): Runner => ({
    iterations: times,
    async run({ next, signal }) {
      for (let n = 0; n < times && !signal.aborted; n++) await next();
    },
  }),
});
