// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { ipFromValue, parseIp } from "./address.ts";
import {
  broadcastAddress,
  cidrContains,
  cidrContainsCidr,
  cidrOf,
  cidrSize,
  cidrsOverlap,
  firstAddress,
  firstUsable,
  gatewayOf,
  hostCidr,
  lastAddress,
  lastUsable,
  parseCidr,
  usableSize,
} from "./cidr.ts";

const cidr = fc
  .tuple(fc.integer({ min: 0, max: 0xffff_ffff }), fc.integer({ min: 0, max: 32 }))
  .map(([value, prefix]) => cidrOf(ipFromValue(4, BigInt(value)), prefix)!);

t.test("host bits are masked off", (t) => {
  t.equal(parseCidr("10.16.0.1/16")?.text, "10.16.0.0/16");
  t.equal(parseCidr("FD00:10:16::1/112")?.text, "fd00:10:16::/112");
  t.equal(parseCidr("0.0.0.0/0")?.text, "0.0.0.0/0");
  t.end();
});

t.test("text that is not a prefix is refused", (t) => {
  for (const text of [
    "10.16.0.0",
    "10.16.0.0/",
    "10.16.0.0/33",
    "10.16.0.0/016",
    "10.16.0.0/-1",
    "10.16.0.0/16/8",
    "fd00::/129",
    "/16",
    "10.16.0.0/ 16",
    "10.16.0.0/1e1",
  ]) {
    t.equal(parseCidr(text), undefined, text);
  }
  t.end();
});

t.test("a subnet has a network, a gateway and a broadcast address", (t) => {
  const c = parseCidr("10.16.0.0/16")!;
  t.equal(firstAddress(c).text, "10.16.0.0");
  t.equal(gatewayOf(c).text, "10.16.0.1");
  t.equal(lastUsable(c).text, "10.16.255.254");
  t.equal(lastAddress(c).text, "10.16.255.255");
  t.equal(broadcastAddress(c)?.text, "10.16.255.255");
  t.equal(usableSize(c), 65534n);
  t.equal(broadcastAddress(parseCidr("fd00::/64")!), undefined);
  t.equal(gatewayOf(parseCidr("fd00::/64")!).text, "fd00::1");
  t.end();
});

t.test("every address of a /31, /32, /127 or /128 is usable", (t) => {
  for (const [text, size] of [
    ["10.0.0.2/31", 2n],
    ["10.0.0.2/32", 1n],
    ["fd00::2/127", 2n],
    ["fd00::2/128", 1n],
  ] as const) {
    const c = parseCidr(text)!;
    t.equal(usableSize(c), size, text);
    t.same(firstUsable(c), firstAddress(c), text);
    t.same(lastUsable(c), lastAddress(c), text);
    t.equal(broadcastAddress(c), undefined, text);
  }
  t.equal(hostCidr(parseIp("10.0.0.2")!).text, "10.0.0.2/32");
  t.equal(hostCidr(parseIp("fd00::2")!).text, "fd00::2/128");
  t.end();
});

t.test("a prefix contains exactly its own addresses", (t) => {
  fc.assert(
    fc.property(cidr, (c) => {
      const last = lastAddress(c).value;
      return (
        cidrContains(c, firstAddress(c)) &&
        cidrContains(c, lastAddress(c)) &&
        (c.base === 0n || !cidrContains(c, ipFromValue(4, c.base - 1n))) &&
        (last === 0xffff_ffffn || !cidrContains(c, ipFromValue(4, last + 1n))) &&
        last - c.base + 1n === cidrSize(c) &&
        parseCidr(c.text)?.base === c.base
      );
    }),
  );
  t.equal(cidrContains(parseCidr("0.0.0.0/0")!, parseIp("::1")!), false);
  t.end();
});

t.test("two prefixes overlap exactly when one contains the other", (t) => {
  fc.assert(
    fc.property(cidr, cidr, (a, b) => cidrsOverlap(a, b) === (cidrContainsCidr(a, b) || cidrContainsCidr(b, a))),
  );
  t.equal(cidrsOverlap(parseCidr("10.16.0.0/16")!, parseCidr("10.16.4.0/24")!), true);
  t.equal(cidrsOverlap(parseCidr("10.16.0.0/16")!, parseCidr("10.17.0.0/16")!), false);
  t.equal(cidrsOverlap(parseCidr("0.0.0.0/0")!, parseCidr("::/0")!), false);
  t.end();
});
