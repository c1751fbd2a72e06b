// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { plugin } from "../plugin.ts";
import type { ClusterFault } from "./fault.ts";

/** No fault: a column of a table that shows what a cluster, or a busy machine, loses without one. */
export const NOTHING = plugin({
  name: "nothing",
  summary: "nothing is done: shows what is lost without a fault",
  options: z.strictObject({}),
  bind: (): ClusterFault => ({
    needs: [],
    shown: "nothing",
    lasts: false,
    inject: async () => ({ hit: "nothing", end: async () => {} }),
  }),
});
