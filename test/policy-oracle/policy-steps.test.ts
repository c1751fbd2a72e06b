// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { conditions, firstFault } from "./expand.ts";
import { anyPolicySteps, networkPolicySteps } from "./steps.ts";

/** Enough to find what is likely to break; `node test/policy-oracle/main.ts` takes as many as asked, and the release tests thousands. */
const BOUNDS = { numRuns: 80 } as const;

for (const [what, steps] of Object.entries({
  "policies and security groups change": anyPolicySteps,
  "controllers are killed meanwhile": networkPolicySteps,
})) {
  t.test(
    `where ${what}, the rows end as a fresh compile has them, and nothing is open in between that may not be`,
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
