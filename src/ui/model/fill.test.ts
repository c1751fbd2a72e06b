// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { fullestOf, toneOfFill } from "./fill.ts";

t.test(
  "a subnet's bar warns from the share at which the server reports a problem, and is bad when it is full",
  async (t) => {
    t.strictSame([0.5, 0.89, 0.9, 0.99, 1].map(toneOfFill), ["ok", "ok", "warn", "warn", "bad"]);
  },
);

t.test("the fullest family counts, and one whose free addresses are unknown does not", async (t) => {
  const family = { cidr: "", gateway: "", own: 0 };
  const fill = [
    { ...family, family: "IPv4" as const, used: 8, free: 2 },
    { ...family, family: "IPv6" as const, used: 99 },
  ];
  t.strictSame(fullestOf(fill), { family: "IPv4", share: 0.8 });
  t.equal(fullestOf([]), undefined);
});
