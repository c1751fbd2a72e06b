// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import {
  bytesAttribute,
  decodeAttributes,
  nestedAttribute,
  textAttribute,
  u8Attribute,
  u16Attribute,
  u32Attribute,
} from "./attributes.ts";
import { survivesDamage, throwsCode } from "./testing/codec-checks.ts";

t.test("each kind of value is padded to four bytes, and its length excludes the padding", async (t) => {
  t.equal(u8Attribute(1, 0xab).toString("hex"), "05000100ab000000");
  t.equal(u16Attribute(2, 0xabcd).toString("hex"), "06000200cdab0000");
  t.equal(u32Attribute(3, 0xdeadbeef).toString("hex"), "08000300efbeadde");
  t.equal(textAttribute(3, "eth0").toString("hex"), "090003006574683000000000");
  t.equal(nestedAttribute(18, [u8Attribute(1, 1)]).toString("hex"), "0c0012000500010001000000");
});

t.test("encoded values decode to the same", async (t) => {
  const attribute = fc.record({ type: fc.nat(0x3fff), value: fc.uint8Array({ maxLength: 50 }) });
  fc.assert(
    fc.property(fc.array(attribute), (attributes) => {
      const bytes = Buffer.concat(attributes.map(({ type, value }) => bytesAttribute(type, value)));
      const read = [...decodeAttributes(bytes)].map(({ type, value }) => ({ type, value: new Uint8Array(value) }));
      t.same(read, attributes);
    }),
  );
});

t.test("the flags NESTED and NET_BYTEORDER are not part of a type", async (t) => {
  t.equal(decodeAttributes(u32Attribute(7 | 0x8000 | 0x4000, 5)).u32(7), 5);
});

t.test("of a type that occurs twice the last one is used, and all are available", async (t) => {
  const set = decodeAttributes(Buffer.concat([u8Attribute(1, 1), u8Attribute(2, 2), u8Attribute(1, 3)]));
  t.equal(set.u8(1), 3);
  t.same(
    set.all(1).map((value) => value[0]),
    [1, 3],
  );
  t.equal(set.u8(9), undefined);
});

t.test("a string ends at its first zero byte, or at the end of its attribute", async (t) => {
  t.equal(decodeAttributes(bytesAttribute(3, Buffer.from("et\0h0"))).text(3), "et");
  t.equal(decodeAttributes(bytesAttribute(3, Buffer.from("eth0"))).text(3), "eth0");
});

t.test("a number of the wrong size is refused", async (t) => {
  for (const size of [0, 1, 2, 3, 5, 8]) {
    const set = decodeAttributes(bytesAttribute(1, Buffer.alloc(size)));
    throwsCode(t, () => set.u32(1), "protocol", /has \d bytes, not 4/);
  }
  throwsCode(t, () => decodeAttributes(bytesAttribute(1, Buffer.alloc(15))).struct(1, 16), "protocol");
  t.equal(decodeAttributes(bytesAttribute(1, Buffer.alloc(20))).struct(1, 16)?.length, 20);
});

t.test("an invalid length is refused", async (t) => {
  throwsCode(t, () => decodeAttributes(Buffer.from("0300010000000000", "hex")), "protocol", /length 3/);
  throwsCode(t, () => decodeAttributes(Buffer.from("0900010000000000", "hex")), "protocol", /length 9 where 8/);
  t.throws(() => bytesAttribute(1, Buffer.alloc(65_532)), RangeError);
});

t.test("no input makes the decoder read out of bounds", async () => {
  const whole = Buffer.concat([textAttribute(3, "eth0"), nestedAttribute(18, [u32Attribute(1, 1), u8Attribute(2, 2)])]);
  survivesDamage((payload) => {
    const set = decodeAttributes(payload);
    return [set.text(3), set.nested(18)?.u32(1), set.nested(18)?.u8(2)];
  }, whole);
});
