// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { NOT_APPLICABLE_IN_SUITE, NOT_WITH_DUAL_STACK, skippedInSuite } from "./not-applicable.ts";

t.test("each listed spec is skipped in its suite, and each has a reason", async (t) => {
  for (const [suite, specs] of Object.entries(NOT_APPLICABLE_IN_SUITE)) {
    for (const [part, reason] of Object.entries(specs)) {
      t.match(`[CNI:Kube-OVN] [group:any] should ${part} at all`, new RegExp(skippedInSuite(suite, "ipv4"), "u"));
      t.ok(reason.length > 10, part);
    }
  }
  t.equal(skippedInSuite("none", "dual"), "");
});

t.test("a spec that needs one family is skipped with two only", async (t) => {
  for (const [suite, specs] of Object.entries(NOT_WITH_DUAL_STACK)) {
    for (const part of Object.keys(specs)) {
      const name = `[CNI:Kube-OVN] [group:any] ${part}`;
      t.match(name, new RegExp(skippedInSuite(suite, "dual"), "u"));
      t.not(skippedInSuite(suite, "ipv4"), skippedInSuite(suite, "dual"));
    }
  }
});
