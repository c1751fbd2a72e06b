// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { admissionTemplate, generateAdmission } from "./admission.ts";

t.test("the chart's admission policies are those of the annotation rules", async (t) => {
  t.strictSame(await generateAdmission({ check: true }), [], "stale: run `npm run generate -- admission`");
  t.notMatch(admissionTemplate(), /\{\{(?!-)/, "Helm reads nothing but its own");
});
