// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { textAttribute, u32Attribute } from "./attributes.ts";
import { decodeNftChange } from "./nft-codec.ts";
import { throwsCode } from "./testing/codec-checks.ts";

const message = (type: number, payload: Buffer) => ({ type, flags: 0, sequence: 0, port: 0, payload });
/** struct nfgenmsg */
const header = (family: number): Buffer => Buffer.from([family, 0, 0, 1]);

t.test("a notification names its table, of whatever family and kind", async (t) => {
  const named = (family: number) =>
    Buffer.concat([header(family), textAttribute(1, "weft"), textAttribute(3, "chain")]);
  t.same(decodeNftChange(message(0x0a02, named(1))), { family: "inet", table: "weft" }, "a table that is gone");
  t.same(decodeNftChange(message(0x0a06, named(10))), { family: "ip6", table: "weft" }, "a rule that came");
  t.same(decodeNftChange(message(0x0a0c, named(99))), { family: "99", table: "weft" }, "a family of later kernels");
});

t.test("a notification without a table is ignored", async (t) => {
  t.equal(decodeNftChange(message(0x0a0f, Buffer.concat([header(0), u32Attribute(1, 7)]))), undefined, "a generation");
  t.equal(decodeNftChange(message(0x0a06, header(1))), undefined, "a rule of a nameless table");
  t.equal(decodeNftChange(message(0x0106, header(1))), undefined, "another subsystem");
  throwsCode(t, () => decodeNftChange(message(0x0a06, Buffer.alloc(3))), "protocol");
});
