// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { plugin } from "../plugin.ts";
import { eventually } from "./eventually.ts";
import type { Verifier } from "./verifier.ts";

const options = z.strictObject({ seconds: z.number().min(0).max(600).default(60) });

/** Northbound, southbound and each node's flows agree. */
export const CONVERGED = plugin({
  name: "converged",
  summary: "the nodes have installed what the northbound database says",
  options,
  bind: ({ seconds }): Verifier => ({
    needs: ["inventory"],
    when: "loaded",
    async begin(target) {
      return async (stage) => [
        await eventually(stage, "converged", seconds * 1000, async () => {
          await target.converge(10_000);
          return [];
        }),
      ];
    },
  }),
});
