// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { conditions, firstFault } from "./expand.ts";
import { anyPolicySteps, networkPolicySteps } from "./steps.ts";

/** Enough to find likely faults; `node test/policy-oracle/main.ts` runs any number, and the release tests thousands. */
const BOUNDS = { numRuns: 80 } as const;

for (const [what, steps] of Object.entries({
  "policies and security groups change": anyPolicySteps,
  "controllers are killed meanwhile": networkPolicySteps,
})) {
  t.test(
    `where ${what}, the final rows are those of a fresh compile, and nothing is allowed in between that must not be`,
    async () => {
      await fc.assert(
        fc.asyncProperty(steps, conditions, async (steps, circumstances) => {
          const fault = await firstFault(steps, circumstances);
          if (fault !== undefined) throw new Error(fault);
        }),
        BOUNDS,
      );
    },
  );
}
