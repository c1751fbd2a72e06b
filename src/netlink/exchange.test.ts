// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { textAttribute } from "./attributes.ts";
import { NetlinkError } from "./error.ts";
import { type Answer, readAnswer, readSteadily, requestBytes } from "./exchange.ts";
import { encodeMessage, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR } from "./message.ts";
import { throwsCode } from "./testing/codec-checks.ts";

const MULTI = 2;

function row(sequence: number, text: string, flags = MULTI): Buffer {
  return encodeMessage({ type: 16, flags, sequence, payload: Buffer.from(text) });
}

function end(sequence: number, errno = 0): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeInt32LE(-errno);
  return encodeMessage({ type: NLMSG_DONE, flags: MULTI, sequence, payload });
}

function refusal(sequence: number, errno: number, text: string): Buffer {
  const payload = Buffer.alloc(20);
  payload.writeInt32LE(-errno);
  payload.writeUInt32LE(16, 4);
  const whole = Buffer.concat([payload, textAttribute(1, text)]);
  return encodeMessage({ type: NLMSG_ERROR, flags: 0x300, sequence, payload: whole });
}

function source(...datagrams: readonly Buffer[]) {
  const left = [...datagrams];
  return {
    left,
    next: () => {
      const datagram = left.shift();
      if (datagram === undefined) throw new NetlinkError("protocol", "test", "the kernel gave no answer");
      return datagram;
    },
    discard: () => {
      left.length = 0;
    },
  };
}

const texts = (answer: Answer) => answer.messages.map(({ payload }) => payload.toString());

t.test("a request has the flags for its kind of reply", async (t) => {
  const bytes = requestBytes({ type: 18, name: "RTM_GETLINK", flags: 0x400, payload: Buffer.alloc(16) }, 0x004, 9);
  t.equal(bytes.toString("hex", 0, 16), "20000000120005040900000000000000");
});

t.test("a list is read over several datagrams to its end", async (t) => {
  const answer = readAnswer(source(Buffer.concat([row(5, "a"), row(5, "b")]), row(5, "c"), end(5)), "test", 5);
  t.same(texts(answer), ["a", "b", "c"]);
  t.equal(answer.interrupted, false);
});

t.test("replies to other requests are skipped", async (t) => {
  const answer = readAnswer(source(row(4, "old"), refusal(4, 17, "old"), row(5, "a"), end(4), end(5)), "test", 5);
  t.same(texts(answer), ["a"]);
});

t.test("a refusal is thrown with the kernel's message", async (t) => {
  const from = source(refusal(5, 101, "Nexthop has invalid gateway"));
  throwsCode(
    t,
    () => readAnswer(from, "RTM_NEWROUTE", 5),
    "unreachable",
    /^RTM_NEWROUTE: Nexthop has .* \(ENETUNREACH\)$/,
  );
});

t.test("a dump that ends in an error throws it", async (t) => {
  throwsCode(t, () => readAnswer(source(row(5, "a"), end(5, 2)), "test", 5), "not-found");
});

t.test("after a truncated or malformed reply the rest is discarded", async (t) => {
  const from = source(row(5, "a"), Buffer.from("junk"), row(5, "b"), end(5));
  throwsCode(t, () => readAnswer(from, "test", 5), "protocol");
  t.equal(from.left.length, 0);
  throwsCode(t, () => readAnswer(source(row(5, "a")), "test", 5), "protocol", /no answer/);
});

t.test("a dump that changed while it was read is repeated a limited number of times", async (t) => {
  let reads = 0;
  const read = () => {
    reads++;
    const flags = reads < 3 ? MULTI | NLM_F_DUMP_INTR : MULTI;
    return readAnswer(source(row(5, `read ${reads}`), row(5, "x", flags), end(5)), "test", 5);
  };
  t.equal(readSteadily("test", read)[0]?.payload.toString(), "read 3");
  reads = -100;
  throwsCode(t, () => readSteadily("RTM_GETROUTE", read), "interrupted", /8 times/);
  t.equal(reads, -92);
});
