// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { cutText, isStorable, quoted, storable } from "./text.ts";

t.test("text that OVSDB does not accept is reported, and replaced if only people read it", async (t) => {
  for (const text of ["a\0b", "\ud83d", "x\ude00", "\ude00\ud83d"]) {
    t.notOk(isStorable(text), JSON.stringify(text));
    t.ok(isStorable(storable(text)), JSON.stringify(text));
  }
  for (const text of ["", "ab", "😀", "\n"]) t.equal(storable(text), text);
});

t.test("a text is cut between characters", async (t) => {
  t.equal(cutText("ab😀", 3), "ab");
  t.equal(cutText("ab😀", 4), "ab😀");
  t.equal(cutText("ab😀c", 4), "ab😀");
  t.equal(quoted(`${"x".repeat(79)}😀`, 80), `"${"x".repeat(79)}…"`);
  t.equal(quoted('a"\n'), String.raw`"a\"\n"`);
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.nat({ max: 20 }), (text, length) => {
      const cut = cutText(text, length);
      return (
        cut.isWellFormed() &&
        cut.length <= length &&
        text.startsWith(cut) &&
        cut.length >= Math.min(text.length, length) - 1
      );
    }),
  );
});
