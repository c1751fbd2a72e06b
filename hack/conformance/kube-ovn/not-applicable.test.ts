// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { NOT_APPLICABLE_IN_SUITE, skippedInSuite } from "./not-applicable.ts";

t.test("each listed spec is skipped in its suite, and each has a reason", async (t) => {
  for (const [suite, specs] of Object.entries(NOT_APPLICABLE_IN_SUITE)) {
    for (const [part, reason] of Object.entries(specs)) {
      t.match(`[CNI:Kube-OVN] [group:any] should ${part} at all`, new RegExp(skippedInSuite(suite), "u"));
      t.ok(reason.length > 10, part);
    }
  }
  t.equal(skippedInSuite("none"), "");
});
