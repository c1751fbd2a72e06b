// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { macFromNumber, macNumberFromBytes, parseMac, parseMacNumber } from "./mac.ts";

t.test("the usual spellings of a MAC give the same value", (t) => {
  for (const text of ["00:00:5E:00:53:af", "00-00-5e-00-53-AF", "0000.5e00.53af"]) {
    t.equal(parseMac(text), "00:00:5e:00:53:af", text);
  }
  t.end();
});

t.test("multicast, zero and malformed MACs are refused", (t) => {
  for (const text of [
    "",
    "01:00:5e:00:00:01",
    "ff:ff:ff:ff:ff:ff",
    "00:00:00:00:00:00",
    "0:0:5e:0:53:af",
    "00:00:5e:00:53",
    "00:00:5e:00:53:af:01",
    "00:00-5e:00:53:af",
    " 00:00:5e:00:53:af",
    "00:00:5e:00:53:ag",
    "00005e0053af",
  ]) {
    t.equal(parseMac(text), undefined, text);
  }
  t.end();
});

t.test("any six bytes make a locally administered unicast MAC", (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (bytes) => {
      const tail = [...bytes.slice(1)].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
      const number = macNumberFromBytes(bytes);
      const text = macFromNumber(number);
      return (
        parseMac(text) === text &&
        (Number.parseInt(text.slice(0, 2), 16) & 3) === 2 &&
        Number.parseInt(text.slice(0, 2), 16) >> 2 === bytes[0]! >> 2 &&
        text.slice(3) === tail &&
        parseMacNumber(text) === number
      );
    }),
  );
  t.throws(() => macNumberFromBytes(new Uint8Array(5)), RangeError);
  t.throws(() => macNumberFromBytes(new Uint8Array(7)), RangeError);
  t.end();
});
