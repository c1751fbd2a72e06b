// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { plugin } from "../plugin.ts";
import type { TargetChoice } from "./target.ts";

/** The lab of this checkout, which must be up (`npm run lab -- up --ip-family dual`). */
export const LAB = plugin({
  name: "lab",
  summary: "the lab of this checkout, which must be up with two nodes or more and --ip-family dual",
  options: z.strictObject({}),
  // Loaded on first use, because it imports the lab's code.
  bind: (): TargetChoice => ({ open: async () => (await import("./lab/lab-target.ts")).openLabTarget() }),
});
