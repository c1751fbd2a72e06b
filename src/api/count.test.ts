// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { writeCount } from "./count.ts";

t.test("a decoded count equals the encoded one, also through JSON", async () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 1n << 128n }), (value) => {
      return BigInt(JSON.parse(JSON.stringify(writeCount(value))) as number | string) === value;
    }),
  );
});

t.test("a count is a number as long as JavaScript keeps it exactly", async (t) => {
  t.equal(writeCount(0n), 0);
  t.equal(writeCount(65533n), 65533);
  t.equal(writeCount((1n << 53n) - 1n), 9007199254740991);
  t.equal(writeCount(1n << 53n), "9007199254740992");
  t.equal(writeCount((1n << 64n) - 2n), "18446744073709551614");
});
