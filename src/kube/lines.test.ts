// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { KubeError } from "./errors.ts";
import { lineDecoder } from "./lines.ts";

t.test("the text is the same wherever the network cuts it, even within a character", async (t) => {
  const text = fc.string({ unit: "grapheme", maxLength: 40 }).map((line) => line.replaceAll("\n", ""));
  fc.assert(
    fc.property(fc.array(text, { maxLength: 12 }), fc.array(fc.nat(400), { maxLength: 30 }), (lines, cuts) => {
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
      const got: string[] = [];
      const decoder = lineDecoder(100_000, (line) => got.push(line));
      let from = 0;
      for (const cut of [...cuts.filter((at) => at < bytes.length).sort((a, b) => a - b), bytes.length]) {
        decoder.push(bytes.subarray(from, cut));
        from = cut;
      }
      t.same(decoder.pendingBytes, 0);
      return JSON.stringify(got) === JSON.stringify(lines.filter((line) => line !== ""));
    }),
    { numRuns: 200 },
  );
});

t.test("an event is split at every byte and still arrives once", async (t) => {
  const bytes = Buffer.from('{"type":"ADDED","name":"zürich-😀"}\n');
  for (let cut = 0; cut <= bytes.length; cut++) {
    const got: string[] = [];
    const decoder = lineDecoder(1_000, (line) => got.push(line));
    decoder.push(bytes.subarray(0, cut));
    decoder.push(bytes.subarray(cut));
    t.same(got, [bytes.toString("utf8").trimEnd()]);
  }
});

t.test("a line beyond the limit is an error, whether or not its end was received", async (t) => {
  for (const text of ["x".repeat(11), `${"x".repeat(11)}\n`]) {
    const decoder = lineDecoder(10, () => t.fail("nothing must be delivered"));
    t.throws(() => decoder.push(Buffer.from(text)), { code: "too-large" });
  }
  const decoder = lineDecoder(10, () => undefined);
  decoder.push(Buffer.from("123456"));
  t.throws(() => decoder.push(Buffer.from("789012")), KubeError);
});

t.test("the rest of a chunk does not keep the chunk in memory", async (t) => {
  const chunk = Buffer.alloc(1 << 20, 0x20);
  chunk[chunk.length - 3] = 0x0a;
  const decoder = lineDecoder(1 << 21, () => undefined);
  decoder.push(chunk);
  t.equal(decoder.pendingBytes, 2);
});
