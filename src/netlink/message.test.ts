// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { textAttribute, u32Attribute } from "./attributes.ts";
import {
  decodeAcknowledgement,
  decodeMessages,
  encodeMessage,
  type NetlinkMessage,
  NLMSG_DONE,
  NLMSG_ERROR,
} from "./message.ts";
import { survivesDamage, throwsCode } from "./testing/codec-checks.ts";

const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;

function message(type: number, flags: number, payload: Buffer): NetlinkMessage {
  return { type, flags, sequence: 1, port: 0, payload };
}

t.test("a message begins with its length and is padded to four bytes", async (t) => {
  const bytes = encodeMessage({ type: 18, flags: 0x301, sequence: 7, payload: Buffer.from("aabbcc", "hex") });
  t.equal(bytes.toString("hex"), "13000000120001030700000000000000aabbcc00");
});

t.test("several messages in a datagram decode to what was encoded", async (t) => {
  const any = fc.record({
    type: fc.nat(0xffff),
    flags: fc.nat(0xffff),
    sequence: fc.nat(0xffff_ffff),
    payload: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  });
  fc.assert(
    fc.property(fc.array(any, { maxLength: 5 }), (messages) => {
      const read = decodeMessages(Buffer.concat(messages.map(encodeMessage)));
      t.same(
        read,
        messages.map((sent) => ({ ...sent, port: 0 })),
      );
    }),
  );
});

t.test("an invalid length is refused", async (t) => {
  throwsCode(t, () => decodeMessages(Buffer.alloc(15)), "protocol", /15 bytes left/);
  throwsCode(t, () => decodeMessages(Buffer.alloc(16)), "protocol", /length of 0/);
  const long = encodeMessage({ type: 2, flags: 0, sequence: 1, payload: Buffer.alloc(4) });
  throwsCode(t, () => decodeMessages(long.subarray(0, 19)), "protocol", /length of 20 where 19/);
});

t.test("an error gives its number and the kernel's message", async (t) => {
  // As the kernel answers `ip route add 10.0.0.0/8 via 192.0.2.1` where nothing is connected.
  const payload = Buffer.from(
    "9bffffff3400000018000506a86b016b00000000" +
      "2000010" + // length 32, type 1: NLMSGERR_ATTR_MSG
      "04e657874686f702068617320696e76616c6964206761746577617900",
    "hex",
  );
  const acknowledgement = decodeAcknowledgement(message(NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS, payload));
  t.same(acknowledgement, { errno: 101, text: "Nexthop has invalid gateway" });
});

t.test("an error that repeats the request has its message behind that", async (t) => {
  const request = encodeMessage({ type: 16, flags: 5, sequence: 1, payload: Buffer.alloc(18) });
  const payload = Buffer.concat([Buffer.from("edffffff", "hex"), request, textAttribute(1, "No such device")]);
  const read = decodeAcknowledgement(message(NLMSG_ERROR, NLM_F_ACK_TLVS, payload));
  t.same(read, { errno: 19, text: "No such device" });
});

t.test("the missing attribute and the offset of the error are decoded", async (t) => {
  const header = encodeMessage({ type: 24, flags: 5, sequence: 1, payload: Buffer.alloc(0) });
  const parts = [Buffer.from("eaffffff", "hex"), header, u32Attribute(2, 36), u32Attribute(5, 8)];
  const read = decodeAcknowledgement(message(NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS, Buffer.concat(parts)));
  t.same(read, { errno: 22, text: "attribute 8 is missing, at byte 36 of the request" });
});

t.test("success, and the end of a list, are error number 0", async (t) => {
  const payload = Buffer.concat([Buffer.alloc(4), Buffer.alloc(16)]);
  t.same(decodeAcknowledgement(message(NLMSG_ERROR, NLM_F_CAPPED, payload)), { errno: 0, text: undefined });
  t.same(decodeAcknowledgement(message(NLMSG_DONE, 2, Buffer.alloc(4))), { errno: 0, text: undefined });
  t.same(decodeAcknowledgement(message(NLMSG_DONE, 2, Buffer.alloc(0))), { errno: 0, text: undefined });
});

t.test("a list may end in an error", async (t) => {
  const payload = Buffer.concat([Buffer.from("feffffff", "hex"), textAttribute(1, "ipv4: FIB table does not exist")]);
  const read = decodeAcknowledgement(message(NLMSG_DONE, 2 | NLM_F_ACK_TLVS, payload));
  t.same(read, { errno: 2, text: "ipv4: FIB table does not exist" });
});

t.test("an invalid error number is refused", async (t) => {
  const payload = Buffer.concat([Buffer.from("05000000", "hex"), Buffer.alloc(16)]);
  throwsCode(t, () => decodeAcknowledgement(message(NLMSG_ERROR, 0, payload)), "protocol");
});

t.test("no input makes the decoder read out of bounds", async () => {
  const request = encodeMessage({ type: 16, flags: 5, sequence: 1, payload: Buffer.alloc(18) });
  const error = Buffer.concat([Buffer.from("edffffff", "hex"), request, textAttribute(1, "No such device")]);
  survivesDamage((bytes) => decodeAcknowledgement(message(NLMSG_ERROR, NLM_F_ACK_TLVS, bytes)), error);
  survivesDamage((bytes) => decodeAcknowledgement(message(NLMSG_ERROR, 0x300, bytes)), error);
  survivesDamage((bytes) => decodeAcknowledgement(message(NLMSG_DONE, NLM_F_ACK_TLVS, bytes)), error);
  const datagram = Buffer.concat([
    request,
    encodeMessage({ type: 3, flags: 2, sequence: 1, payload: Buffer.alloc(4) }),
  ]);
  survivesDamage(decodeMessages, datagram);
});
