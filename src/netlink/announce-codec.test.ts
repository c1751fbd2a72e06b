// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { parseIp } from "../net/address.ts";
import { encodeAnnouncement } from "./announce-codec.ts";

const MAC = Buffer.from("020000000005", "hex");

t.test("an IPv4 address is announced by a broadcast request for itself", async (t) => {
  const frame = encodeAnnouncement(MAC, parseIp("10.16.0.5")!);
  t.equal(frame.etherType, 0x0806);
  t.equal(
    frame.bytes.toString("hex"),
    "ffffffffffff0200000000050806" + // Ethernet
      "0001080006040001" + // Ethernet, IPv4, request
      "0200000000050a100005" + // from
      "0000000000000a100005", // to
  );
});

t.test("an IPv6 address is announced by an advertisement to all nodes, with a checksum that holds", async (t) => {
  const frame = encodeAnnouncement(MAC, parseIp("fd00::5")!);
  t.equal(frame.etherType, 0x86dd);
  const hex = frame.bytes.toString("hex");
  t.equal(hex.slice(0, 28), "33330000000102000000000586dd");
  t.equal(hex.slice(28, 44), "6000000000203aff");
  t.equal(hex.slice(44, 76), "fd000000000000000000000000000005");
  t.equal(hex.slice(76, 108), "ff020000000000000000000000000001");
  const message = frame.bytes.subarray(54);
  t.equal(
    message.toString("hex").replace(/^8800..../, "8800"),
    `880020000000fd0000000000000000000000000000050201${MAC.toString("hex")}`,
  );
  // A receiver sums all bytes, the checksum included, and gets all ones (RFC 1071 §1).
  const covered = Buffer.concat([frame.bytes.subarray(22, 54), Buffer.from("000000200000003a", "hex"), message]);
  let sum = 0;
  for (let i = 0; i < covered.length; i += 2) sum += covered.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  t.equal(sum, 0xffff);
});
