// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import { Address4, Address6 } from "ip-address";
import t from "tap";
import { formatIpv4, formatIpv6, hostPrefix, ipFromValue, ipText, parseIp, parseIpv4 } from "./address.ts";

const v4Number = fc.integer({ min: 0, max: 0xffff_ffff });
// Groups of mostly zeros, so that every form of "::" occurs.
const v6Number = fc
  .array(fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 })
  .map((groups) => groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n));

t.test("addresses are read and written canonically", (t) => {
  for (const [input, text] of [
    ["10.16.0.5", "10.16.0.5"],
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    ["FD00:0010::0005", "fd00:10::5"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:db8::1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["::ffff:10.16.0.5", "::ffff:10.16.0.5"],
    ["fd00::1:0", "fd00::1:0"],
  ] as const) {
    t.equal(parseIp(input)?.text, text, input);
  }
  t.end();
});

t.test("text that is not exactly an address is refused", (t) => {
  for (const input of [
    "",
    "10.16.0",
    "10.16.0.5.6",
    "10.16.0.256",
    "010.16.0.5",
    "10.16.0.00",
    "10.16..5",
    ".10.16.0",
    "10.16.0.5/16",
    " 10.16.0.5",
    "10.16.0.5 ",
    "10.16.0.5\n",
    "+1.2.3.4",
    "1e1.2.3.4",
    "fe80::1%eth0",
    "fd00::/64",
    "[fd00::1]",
    "fd00::1::2",
    "fd00:::1",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "00001::1",
    "::ffff:01.2.3.4",
    ":",
    "web-0",
  ]) {
    t.equal(parseIp(input), undefined, JSON.stringify(input));
  }
  t.end();
});

t.test("any IPv4 number survives writing and reading, and agrees with ip-address", (t) => {
  fc.assert(
    fc.property(v4Number, (value) => {
      const text = formatIpv4(value);
      return parseIpv4(text) === value && new Address4(text).bigInt() === BigInt(value);
    }),
  );
  t.end();
});

t.test("any IPv6 number survives writing and reading, and agrees with ip-address", (t) => {
  fc.assert(
    fc.property(v6Number, (value) => {
      const text = formatIpv6(value);
      if (parseIp(text)?.value !== value) return false;
      // ip-address writes mapped addresses in hexadecimal; RFC 5952 §5 wants the quad.
      return value >> 32n === 0xffffn || Address6.fromBigInt(value).correctForm() === text;
    }),
  );
  t.end();
});

t.test("reading never throws, whatever the text", (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-f:.%/]{0,20}$/)), (text) => {
      const ip = parseIp(text);
      return ip === undefined || parseIp(ip.text)?.value === ip.value;
    }),
  );
  t.end();
});

t.test("numbers outside the family are refused", (t) => {
  t.throws(() => ipFromValue(4, 1n << 32n), RangeError);
  t.throws(() => ipFromValue(6, 1n << 128n), RangeError);
  t.throws(() => ipFromValue(4, -1n), RangeError);
  t.equal(ipFromValue(6, (1n << 128n) - 1n).text, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
  t.equal(hostPrefix(4), 32);
  t.equal(hostPrefix(6), 128);
  t.end();
});

t.test("an address has one canonical text, and other text has none", async (t) => {
  t.equal(ipText("FD00:0::5", 6), "fd00::5");
  t.equal(ipText("10.16.0.5", 4), "10.16.0.5");
  for (const [text, family] of [
    ["10.0.1.300", 4],
    ["10.16.0.5", 6],
    ["fd00::5", 4],
    ["", 4],
    ["x\0", 6],
  ] as const)
    t.equal(ipText(text, family), "", text);
});
