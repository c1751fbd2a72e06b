import fc from "fast-check";
import t from "tap";
import { jitteredBackoff } from "./backoff.ts";

t.test(
  "pauses double up to the limit, lie between half and all of it, and are short again after a reset",
  async (t) => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 12, maxLength: 12 }),
        (dice) => {
          let at = 0;
          const backoff = jitteredBackoff({ firstMs: 100, maxMs: 5_000 }, () => dice[at++ % dice.length] ?? 0);
          for (let n = 0; n < 10; n++) {
            const ceiling = Math.min(100 * 2 ** n, 5_000);
            const pause = backoff.next();
            if (pause < ceiling / 2 || pause > ceiling) return false;
          }
          backoff.reset();
          return backoff.next() <= 100;
        },
      ),
    );
    t.pass("held");
  },
);
