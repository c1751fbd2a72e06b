// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { decodeFilter, encodeFilterAdd, encodeFilterDelete } from "./filter-codec.ts";
import { canonical, canonicalGolden, survivesDamage, throwsCode } from "./testing/codec-checks.ts";

const HEADER = 20;
const at = { index: 3, parent: "1:", priority: 10 };

t.test("a filter by address sends the request of tc", async (t) => {
  // tc filter add dev ax parent 1: protocol ip prio 10 u32
  //   match ip src 10.16.0.5/32 match ip dst 10.0.0.0/9 flowid 1:10
  const ipv4 =
    "6c0000002c000506ae71016b000000000000000003000000000000000000010008000a000800010075333200400002000800010010000100" +
    "3400050001000200000000000000000000000000ffffffff0a1000050c00000000000000ff8000000a0000001000000000000000";
  const source = { family: 4, source: "10.16.0.5/32", destination: "10.0.0.0/9", class: "1:10" } as const;
  t.same(canonical(sorted(encodeFilterAdd({ ...at, ...source })), HEADER), canonicalGolden(ipv4, HEADER));
  // tc filter add dev ax parent 1: protocol ipv6 prio 11 u32 match ip6 dst fd00:1::/72 flowid 1:10
  const ipv6 =
    "7c0000002c000506ae71016b000000000000000003000000000000000000010086dd0b000800010075333200500002000800010010000100" +
    "4400050001000300000000000000000000000000fffffffffd0000011800000000000000ffffffff000000001c00000000000000ff000000" +
    "000000002000000000000000";
  const destination = { family: 6, destination: "fd00:1::/72", class: "1:10", priority: 11 } as const;
  t.same(canonical(sorted(encodeFilterAdd({ ...at, ...destination })), HEADER), canonicalGolden(ipv6, HEADER));
  // tc filter del dev ax parent 1: prio 11
  const gone = "240000002d000500ae71016b000000000000000003000000000000000000010000000b00";
  t.same(canonical(encodeFilterDelete({ ...at, priority: 11 }), HEADER), canonicalGolden(gone, HEADER));
});

/** tc puts the class before the selector (8 bytes), this encoder after it. The kernel accepts both. */
function sorted(request: ReturnType<typeof encodeFilterAdd>): ReturnType<typeof encodeFilterAdd> {
  const { payload } = request;
  const options = HEADER + 8 + 4;
  const head = payload.subarray(0, options);
  const selector = payload.subarray(options, payload.length - 8);
  return { ...request, payload: Buffer.concat([head, payload.subarray(payload.length - 8), selector]) };
}

t.test("a redirecting filter for all packets sends the request of tc", async (t) => {
  // tc filter add dev ax parent ffff: protocol all prio 1 u32 match u32 0 0 action mirred egress redirect dev ifb5
  const golden = "000000000300000000000000" + "0000ffff" + "00030100" + "08000100" + "75333200";
  const parms = "00000000000000000400000000000000000000000100000004000000";
  const { payload } = encodeFilterAdd({ index: 3, parent: "ffff:", priority: 1, redirect: 4 });
  const hex = payload.toString("hex");
  t.ok(hex.startsWith(golden), hex);
  t.match(hex, "24000500" + "01000100000000000000000000000000" + "00000000000000000000000000000000");
  t.match(hex, `0b0001006d697272656400002400020020000200${parms}`);
});

t.test("invalid values are refused before they are sent", async (t) => {
  throwsCode(t, () => encodeFilterAdd({ ...at, priority: 0 }), "invalid", /priority/);
  throwsCode(t, () => encodeFilterAdd({ ...at, priority: 65_536 }), "invalid", /priority/);
  throwsCode(t, () => encodeFilterAdd({ ...at, source: "10.0.0.0/8" }), "invalid", /no family/);
  throwsCode(t, () => encodeFilterAdd({ ...at, family: 6, source: "10.0.0.0/8" }), "invalid", /IPv6/);
  throwsCode(t, () => encodeFilterAdd({ ...at, class: "x" }), "invalid", /handle/);
});

/** As kernel 6.18 reports them: a filter, and the hash table it is in. */
const FILTER =
  "0000000003000000000800800000020008000a00080001007533320008000b000000000050000200340005000100020000000000000000" +
  "0000000000ffffffff0a1000050c00000000000000ff8000000a0000001000000000000000080002000000008008000100" +
  "10000200" +
  "08000b0008000000";
const TABLE = "0000000003000000000000800000020008000a00080001007533320008000b00000000000c0002000800040001000000";

t.test("filters are decoded, their hash tables are ignored", async (t) => {
  t.same(decodeFilter(Buffer.from(FILTER, "hex")), {
    index: 3,
    kind: "u32",
    parent: "2:",
    priority: 10,
    class: "2:10",
  });
  t.equal(decodeFilter(Buffer.from(TABLE, "hex")), undefined);
  const { payload } = encodeFilterAdd({ ...at, class: "1:10" });
  t.match(decodeFilter(payload), { index: 3, parent: "1:", priority: 10, class: "1:10" });
});

t.test("no input makes the decoder read out of bounds", async () => {
  for (const hex of [FILTER, TABLE]) survivesDamage(decodeFilter, Buffer.from(hex, "hex"));
});
