// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { plugin } from "../plugin.ts";
import { atMost } from "./limit.ts";
import type { Sla } from "./sla.ts";

const options = z.union([
  z.strictObject({ max_ms: z.number().min(0) }),
  z.strictObject({ max_times: z.number().min(1) }),
]);

/** How much slower iterations are during the fault than before it: in milliseconds, or as a factor. */
export const DEGRADATION = plugin({
  name: "degradation",
  summary: "how much slower iterations may be during the fault: max_ms, or max_times",
  options,
  bind: (limit): Sla =>
    "max_ms" in limit ? atMost("degradation", limit.max_ms) : atMost("relative_degradation", limit.max_times),
});
