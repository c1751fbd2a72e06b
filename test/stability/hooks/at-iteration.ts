// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { plugin } from "../plugin.ts";
import type { Trigger } from "./trigger.ts";

const options = z.union([
  z
    .int()
    .min(1)
    .transform((n) => ({ n, of: undefined })),
  z.strictObject({ n: z.int().min(1), of: z.string().optional() }),
]);

/** Fires when the n-th iteration of a load begins: of the first load, or of the one that `of` names. */
export const AT_ITERATION = plugin({
  name: "iteration",
  summary: "when the n-th iteration begins",
  options,
  bind: ({ n, of }): Trigger => ({
    shown: `at iteration ${n}${of === undefined ? "" : ` of ${of}`}`,
    iteration: of === undefined ? { n } : { n, of },
    async wait({ iterations, subscribe, signal }) {
      const fires = Promise.withResolvers<boolean>();
      const check = (): void => {
        if (iterations(of) >= n) fires.resolve(true);
      };
      const end = (): void => fires.resolve(false);
      const stop = subscribe(check);
      signal.addEventListener("abort", end);
      check();
      if (signal.aborted) end();
      try {
        return await fires.promise;
      } finally {
        stop();
        signal.removeEventListener("abort", end);
      }
    },
  }),
});
