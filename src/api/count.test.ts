// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { readCount, writeCount } from "./count.ts";

t.test("a count comes back as it went, also through JSON", async () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 1n << 128n }), (value) => {
      return readCount(JSON.parse(JSON.stringify(writeCount(value)))) === value;
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

t.test("what Kube-OVN or nobody wrote is read, nonsense is not", async (t) => {
  t.equal(readCount(undefined), 0n);
  t.equal(readCount(1.8446744073709552e19), 18446744073709551616n);
  t.equal(readCount("x"), undefined);
  t.equal(readCount(""), undefined);
  t.equal(readCount(-1), undefined);
  t.equal(readCount(0.5), undefined);
});
