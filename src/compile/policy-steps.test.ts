import fc from "fast-check";
import t from "tap";
import { conditions, firstFault } from "../../test/policy/expand.ts";
import { anyPolicySteps } from "../../test/policy/steps.ts";

/** Enough to find what is likely to break; `node test/policy/main.ts` takes as many as asked, and the release tests thousands. */
const BOUNDS = { numRuns: 120, interruptAfterTimeLimit: 4000, markInterruptAsFailure: false } as const;

t.test(
  "whatever changes in whatever batches, the rows end as a fresh compile has them, and nothing is open in between that may not be",
  async () => {
    await fc.assert(
      fc.asyncProperty(anyPolicySteps, conditions, async (steps, circumstances) => {
        const fault = await firstFault(steps, circumstances);
        if (fault !== undefined) throw new Error(fault);
      }),
      BOUNDS,
    );
  },
);
