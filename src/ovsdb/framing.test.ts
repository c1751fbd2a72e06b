// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { frameMessage, MessageSplitter } from "./framing.ts";
import type { JsonObject } from "./json.ts";

const MESSAGES: readonly JsonObject[] = [
  { id: 1, result: [], error: null },
  { method: "update3", params: ["m", "t", { Port: { u: { insert: { name: 'a "quoted" \\ } { name' } } } }], id: null },
  { method: "echo", params: ["€ 𝄞 é 中"], id: "echo" },
  {},
];

function split(chunks: readonly Uint8Array[], maxBytes = 1_000_000): JsonObject[] {
  const splitter = new MessageSplitter(maxBytes);
  const found: JsonObject[] = [];
  for (const chunk of chunks) splitter.push(chunk, (message) => found.push(message));
  return found;
}

function bytesOf(messages: readonly JsonObject[], between = ""): Buffer {
  return Buffer.concat(messages.flatMap((message) => [frameMessage(message, 1_000_000), Buffer.from(between)]));
}

t.test("messages are found wherever the stream is split", async (t) => {
  for (const between of ["", "\n", " \r\n\t"]) {
    const bytes = bytesOf(MESSAGES, between);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const found = split([bytes.subarray(0, cut), bytes.subarray(cut)]);
      if (JSON.stringify(found) !== JSON.stringify(MESSAGES)) t.fail(`cut at byte ${cut}`);
    }
  }
  t.pass("every cut");
});

t.test("messages are found when each byte arrives alone", async (t) => {
  const bytes = bytesOf(MESSAGES);
  t.same(split([...bytes].map((byte) => Uint8Array.of(byte))), MESSAGES);
});

t.test("any JSON objects, split anywhere, are decoded unchanged", async (t) => {
  const object = fc.dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue({ maxDepth: 3 }), {
    noNullPrototype: true,
  });
  const property = fc.property(
    fc.array(object, { maxLength: 5 }),
    fc.array(fc.nat(), { maxLength: 20 }),
    (objects, cuts) => {
      const messages = objects as JsonObject[];
      const bytes = bytesOf(messages);
      const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
      const chunks = places.slice(1).map((place, i) => bytes.subarray(places[i], place));
      return JSON.stringify(split(chunks)) === JSON.stringify(messages);
    },
  );
  fc.assert(property);
  t.pass();
});

t.test("a message may have exactly the size of the limit, and not a byte more", async (t) => {
  const message = { text: "x".repeat(100) };
  const bytes = frameMessage(message, 1000);
  t.same(split([bytes], bytes.length), [message]);
  t.throws(() => split([bytes], bytes.length - 1), { code: "too large" });
  t.throws(
    () => split([bytes.subarray(0, 60), bytes.subarray(60, 90)], 80),
    { code: "too large" },
    "before its end was received",
  );
  t.throws(() => frameMessage(message, bytes.length - 1), { code: "too large" });
});

t.test("many small messages in one chunk may exceed the limit together", async (t) => {
  const message = { text: "x".repeat(50) };
  t.equal(split([bytesOf(Array<JsonObject>(100).fill(message))], 100).length, 100);
});

t.test("a stream that does not consist of JSON objects is refused", async (t) => {
  for (const text of ["[1]", "nonsense", '{"a":1}x', "}", '"text"']) {
    t.throws(() => split([Buffer.from(text)]), { code: "protocol" }, text);
  }
  t.throws(() => split([Buffer.from("{nonsense}")]), { code: "protocol" });
  t.throws(() => split([Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])]), { code: "protocol" }, "no UTF-8");
});

t.test("text that would make ovsdb-server close the connection is not sent, wherever it is in a message", async (t) => {
  for (const text of ["\0", "a\0", "\ud800", "a\udfff", "\\\0", "\\\\\ud800", '"\ud83d"']) {
    t.throws(() => frameMessage({ method: "m", params: [["x", { a: text }]] }, 1000), { code: "invalid value" });
    t.throws(() => frameMessage({ [text]: 1 }, 1000), { code: "invalid value" });
  }
  for (const text of ["\\u0000", "\\ud800", "\\\\u0000", "\u{1f600}", "\u0001\ufffe", "u0000"]) {
    t.same(split([frameMessage({ a: text }, 1000)]), [{ a: text }]);
  }
});
