// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { Backoff, backoffDelay, retryDelay } from "./backoff.ts";

t.test("pauses double up to the limit, lie between half and all of it, and are short again after a reset", async () => {
  const dice = fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 11, maxLength: 11 });
  fc.assert(
    fc.property(dice, (dice) => {
      const left = [...dice];
      const backoff = new Backoff({ firstMs: 100, maxMs: 5_000 }, () => left.shift() ?? 0);
      for (let n = 0; n < 10; n++) {
        const ceiling = Math.min(100 * 2 ** n, 5_000);
        const pause = backoff.next();
        if (pause < ceiling / 2 || pause > ceiling) return false;
      }
      backoff.reset();
      return backoff.next() <= 100;
    }),
  );
});

t.test("however often something failed, the pause is a number within the limit", async (t) => {
  const limits = { firstMs: 100, maxMs: 1000 };
  t.same(
    [1, 2, 3, 4, 11, 1001, 100_000].map((n) => backoffDelay(n, limits)),
    [100, 200, 400, 800, 1000, 1000, 1000],
  );
  t.same([1, 2, 3, 20].map(retryDelay), [500, 1000, 2000, 60_000]);
});
