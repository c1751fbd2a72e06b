// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { ipFromValue } from "../net/address.ts";
import { cidrOf } from "../net/cidr.ts";
import { decodeNextHops, decodeVia, encodeNextHops } from "./next-hop-codec.ts";
import { decodeRoute, encodeRouteDelete, encodeRouteDump, encodeRouteNew } from "./route-codec.ts";
import { canonical, canonicalGolden, survivesDamage, throwsCode } from "./testing/codec-checks.ts";

const HEADER = 12;
/** Default protocol of iproute2 (RTPROT_BOOT). */
const protocol = 3;

t.test("adding a route sends the request of iproute2", async (t) => {
  const goldens = [
    [
      // ip route replace default via 169.254.1.1 dev h1 onlink
      "2c00000018000505a76b016b0000000002000000fe0300010400000008000500a9fe01010800040007000000",
      encodeRouteNew({ destination: "0.0.0.0/0", gateway: "169.254.1.1", device: 7, onlink: true, protocol }, true),
    ],
    [
      // ip -6 route add fd01::/64 via fd00::1 dev h1 metric 50 table 1000 mtu 1280
      "6800000018000506a76b016b000000000a400000000300010000000014000100fd01000000000000000000000000000014000500fd00000000" +
        "00000000000000000000010800060032000000" +
        "08000f00e803000008000400070000000c0008000800020000050000",
      encodeRouteNew(
        { destination: "fd01::/64", gateway: "fd00::1", device: 7, metric: 50, table: 1000, mtu: 1280, protocol },
        false,
      ),
    ],
    [
      // ip route add 10.10.0.0/16 src 10.16.0.5 dev h1 proto static
      "3400000018000506a86b016b0000000002100000fe04fd0100000000080001000a0a0000080007000a1000050800040007000000",
      encodeRouteNew({ destination: "10.10.0.0/16", source: "10.16.0.5", device: 7 }, false),
    ],
    [
      // ip route add 10.11.0.0/16 via inet6 fd00::9 dev h1
      "4400000018000506a86b016b0000000002100000fe03000100000000080001000a0b0000160012000a00fd0000000000000000000000000000" +
        "0900000800040007000000",
      encodeRouteNew({ destination: "10.11.0.0/16", gateway: "fd00::9", device: 7, protocol }, false),
    ],
    [
      // ip route add blackhole 10.12.0.0/16
      "2400000018000506a86b016b0000000002100000fe03000600000000080001000a0c0000",
      encodeRouteNew({ destination: "10.12.0.0/16", type: "blackhole", protocol }, false),
    ],
    [
      // ip route add 10.9.0.0/16 nexthop via 10.16.0.1 dev h1 weight 2 nexthop via 10.16.0.2 dev h1
      "4800000018000506a96b016b0000000002100000fe03000100000000080001000a09000024000900100000010700000008000500" +
        "0a1000011000000007000000080005000a100002",
      encodeRouteNew(
        {
          destination: "10.9.0.0/16",
          nextHops: [
            { gateway: "10.16.0.1", device: 7, weight: 2 },
            { gateway: "10.16.0.2", device: 7 },
          ],
          protocol,
        },
        false,
      ),
    ],
    [
      // ip route del 10.10.0.0/16 dev h1
      "2c00000019000500a96b016b0000000002100000fe00ff0000000000080001000a0a00000800040007000000",
      encodeRouteDelete({ destination: "10.10.0.0/16", device: 7 }),
    ],
  ] as const;
  for (const [golden, request] of goldens) t.same(canonical(request, HEADER), canonicalGolden(golden, HEADER));
});

t.test("invalid values are refused before they are sent", async (t) => {
  const add = (spec: object) => () => encodeRouteNew({ destination: "10.0.0.0/8", ...spec }, false);
  throwsCode(t, add({ destination: "10.0.0.0" }), "invalid", /not a valid prefix/);
  throwsCode(t, add({ destination: "10.16.0.1/16" }), "invalid", /host bits.*10\.16\.0\.0\/16/);
  throwsCode(t, add({ gateway: "here" }), "invalid", /not a valid IP/);
  throwsCode(t, add({ source: "fd00::1" }), "invalid", /as a source/);
  throwsCode(t, add({ device: 0 }), "invalid", /index/);
  throwsCode(t, add({ table: 2 ** 32 }), "invalid", /table/);
  throwsCode(t, add({ protocol: 256 }), "invalid", /protocol/);
  throwsCode(t, add({ nextHops: [] }), "invalid", /no next hops/);
  throwsCode(t, add({ nextHops: [{ device: 7, weight: 0 }] }), "invalid", /weight/);
  throwsCode(t, add({ nextHops: [{ device: 7 }], device: 7 }), "invalid", /both/);
  throwsCode(t, () => encodeRouteDump(4, { table: -1 }), "invalid", /table/);
});

/** As kernel 6.18 reports the routes above, device 2. */
const ONLINK = "02000000fe0300010400000008000f00fe00000008000500a9fe01010800040002000000";
const MULTIPATH =
  "02100000fe0300010000000008000f00fe000000080001000a090000240009001000000102000000080005000a1000011000000002000000" +
  "080005000a100002";
const VIA6 =
  "02100000fe0300010000000008000f00fe000000080001000a0b0000160012000a00fd00000000000000000000000000000900000800040002" +
  "000000";
const BLACKHOLE = "02100000fe0300060000000008000f00fe000000080001000a0c0000";
const IPV6 =
  "0a400000fc0300010000000008000f00e803000014000100fd0100000000000000000000000000000c000800080002000005000008000600" +
  "3200000014000500fd000000000000000000000000000001080004000200000024000c000000000000000000000000000000000000000000" +
  "0000000000000000000000000500140000000000";

t.test("routes are decoded", async (t) => {
  const read = (hex: string) => decodeRoute(Buffer.from(hex, "hex"));
  t.same(read(ONLINK), {
    family: 4,
    destination: "0.0.0.0/0",
    gateway: "169.254.1.1",
    device: 2,
    onlink: true,
    nextHops: [],
    source: undefined,
    table: 254,
    metric: 0,
    scope: "global",
    protocol: 3,
    type: "unicast",
    mtu: undefined,
    flags: 4,
  });
  t.same(read(MULTIPATH)?.nextHops, [
    { gateway: "10.16.0.1", device: 2, weight: 2, onlink: false },
    { gateway: "10.16.0.2", device: 2, weight: 1, onlink: false },
  ]);
  t.match(read(VIA6), { family: 4, destination: "10.11.0.0/16", gateway: "fd00::9" });
  t.match(read(BLACKHOLE), { destination: "10.12.0.0/16", type: "blackhole" });
  const ipv6 = { destination: "fd01::/64", gateway: "fd00::1", table: 1000, metric: 50, mtu: 1280, device: 2 };
  t.match(read(IPV6), ipv6);
});

t.test("routes of other families, and cached copies, are left out", async (t) => {
  const payload = Buffer.from(ONLINK, "hex");
  payload.writeUInt32LE(0x200, 8);
  t.equal(decodeRoute(payload), undefined);
  payload.writeUInt32LE(0, 8);
  t.equal(decodeRoute(payload)?.gateway, "169.254.1.1");
  payload[0] = 28;
  t.equal(decodeRoute(payload), undefined);
});

t.test("a decoded request has the requested values", async (t) => {
  const v4 = fc.bigInt(0n, 0xffff_ffffn).map((value) => ipFromValue(4, value));
  const v6 = fc.bigInt(0n, (1n << 128n) - 1n).map((value) => ipFromValue(6, value));
  const destination = fc.oneof(
    fc.tuple(v4, fc.nat(32)).map(([ip, prefix]) => cidrOf(ip, prefix)!),
    fc.tuple(v6, fc.nat(128)).map(([ip, prefix]) => cidrOf(ip, prefix)!),
  );
  const rest = fc.record({
    gateway: fc.oneof(v4, v6).map(({ text }) => text),
    device: fc.integer({ min: 1, max: 0x7fff_ffff }),
    table: fc.nat(0xffff_ffff),
    metric: fc.nat(0xffff_ffff),
    mtu: fc.nat(65_535),
    onlink: fc.boolean(),
    scope: fc.constantFrom("global", "site", "link", "host", "nowhere"),
    type: fc.constantFrom("unicast", "local", "blackhole", "throw"),
    protocol: fc.nat(255),
  });
  fc.assert(
    fc.property(destination, rest, (cidr, spec) => {
      const { payload } = encodeRouteNew({ destination: cidr.text, ...spec }, true);
      t.match(decodeRoute(payload), { family: cidr.family, destination: cidr.text, ...spec });
    }),
  );
});

t.test("no input makes the decoder read out of bounds", async () => {
  for (const hex of [ONLINK, MULTIPATH, VIA6, BLACKHOLE, IPV6]) {
    survivesDamage(decodeRoute, Buffer.from(hex, "hex"));
  }
  survivesDamage(decodeNextHops, encodeNextHops("test", 4, [{ gateway: "fd00::1", device: 7 }, { device: 8 }]));
  survivesDamage(decodeVia, Buffer.from("0a00fd000000000000000000000000000009", "hex"));
});
