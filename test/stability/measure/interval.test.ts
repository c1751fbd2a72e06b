// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { quantile } from "../../../hack/bench/statistics.ts";
import { differ, estimate, mean } from "./interval.ts";

const values = fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }), { minLength: 2, maxLength: 40 });
const close = (a: number | undefined, b: number | undefined): boolean =>
  a !== undefined && b !== undefined && Math.abs(a - b) <= 1e-6 * (1 + Math.abs(a) + Math.abs(b));

t.test("an interval contains its mean, and moves and grows with the values", async () => {
  fc.assert(
    fc.property(
      values,
      fc.double({ min: 0.1, max: 10, noNaN: true }),
      fc.integer({ min: -50, max: 50 }),
      (xs, k, d) => {
        const one = estimate(xs);
        const other = estimate(xs.map((x) => x * k + d));
        if (one?.low === undefined || one.high === undefined || other === undefined) return false;
        return (
          one.low <= one.mean &&
          one.mean <= one.high &&
          close(other.mean, one.mean * k + d) &&
          close(other.low, one.low * k + d) &&
          close(other.high, one.high * k + d)
        );
      },
    ),
  );
});

t.test("the order of the values does not matter, and more of the same make the interval narrower", async () => {
  fc.assert(
    fc.property(values, (xs) => {
      const one = estimate(xs);
      const turned = estimate(xs.toReversed());
      const twice = estimate([...xs, ...xs]);
      const width = (e: typeof one): number => (e?.high ?? 0) - (e?.low ?? 0);
      return close(one?.low, turned?.low) && width(twice) <= width(one) + 1e-9;
    }),
  );
});

t.test("of normal values about 95 of 100 intervals hold the true mean", async (t) => {
  // A separate generator, so that the count is the same each time (Numerical Recipes' linear congruence; Box and Muller).
  let state = 7;
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state + 1) / 4_294_967_297;
  };
  const normal = (): number => Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
  for (const size of [2, 3, 5, 10, 40]) {
    let held = 0;
    for (let n = 0; n < 2_000; n++) {
      const of = estimate(Array.from({ length: size }, () => 5 + 3 * normal()));
      if ((of?.low ?? 0) <= 5 && 5 <= (of?.high ?? 0)) held++;
    }
    t.ok(held > 1_860 && held < 1_940, `${held} of 2000 with ${size} values`);
  }
});

t.test("a quantile lies between the values around it", async (t) => {
  t.equal(quantile([3, 1, 2], 0.5), 2);
  t.equal(quantile([1, 2], 0.5), 1.5);
  t.equal(quantile([4], 0.95), 4);
  fc.assert(
    fc.property(values, fc.double({ min: 0, max: 1, noNaN: true }), (xs, q) => {
      const found = quantile(xs, q);
      const below = xs.filter((x) => x < found - 1e-9).length;
      return below <= q * (xs.length - 1) + 1 && found >= Math.min(...xs) && found <= Math.max(...xs);
    }),
  );
});

t.test("one value has no interval, none has no estimate", async (t) => {
  t.same(estimate([3]), { mean: 3, count: 1 });
  t.equal(estimate([]), undefined);
  t.ok(Number.isNaN(mean([])));
});

t.test("two estimates differ if their intervals do not overlap", async (t) => {
  const of = (...xs: number[]) => estimate(xs) ?? { mean: 0, count: 0 };
  t.equal(differ(of(1, 1.1, 0.9), of(9, 9.1, 8.9)), true);
  t.equal(differ(of(1, 5, 9), of(2, 6, 10)), false);
  t.equal(differ(of(1), of(2)), undefined);
});
