// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { decodeRule, encodeRuleDelete, encodeRuleNew } from "./rule-codec.ts";
import { canonical, canonicalGolden, survivesDamage, throwsCode } from "./testing/codec-checks.ts";

const HEADER = 12;

t.test("adding a rule sends the request of iproute2", async (t) => {
  // ip rule add from 10.16.0.0/16 to 10.96.0.0/12 fwmark 0x4000/0xff00 iif h1 lookup 1000 priority 100
  const golden =
    "5400000020000506aa6b016b00000000020c10000000000100000000080002000a100000080001000a60000008000a0000400000080010" +
    "0000ff0000070003006831000008000f00e80300000800060064000000";
  const request = encodeRuleNew({
    family: 4,
    priority: 100,
    table: 1000,
    source: "10.16.0.0/16",
    destination: "10.96.0.0/12",
    mark: 0x4000,
    mask: 0xff00,
    inputInterface: "h1",
  });
  t.same(canonical(request, HEADER), canonicalGolden(golden, HEADER));
  // ip -6 rule add not from fd00::/64 prohibit priority 101
  const prohibit =
    "3800000020000506aa6b016b000000000a004000000000080200000014000200fd0000000000000000000000000000000800060065000000";
  const refusal = encodeRuleNew({ family: 6, priority: 101, action: "prohibit", source: "fd00::/64", invert: true });
  t.same(canonical(refusal, HEADER), canonicalGolden(prohibit, HEADER));
});

t.test("invalid values are refused before they are sent", async (t) => {
  const add = (spec: object) => () => encodeRuleNew({ family: 4, priority: 1, table: 100, ...spec });
  throwsCode(t, () => encodeRuleNew({ family: 4, priority: 1 }), "invalid", /action table with table none/);
  throwsCode(t, add({ action: "prohibit" }), "invalid", /action prohibit with table 100/);
  throwsCode(t, add({ source: "fd00::/64" }), "invalid", /in a rule for IPv4/);
  throwsCode(t, add({ source: "10.0.0.1/8" }), "invalid", /host bits/);
  throwsCode(t, add({ inputInterface: "a b" }), "invalid", /not a valid interface name/);
  throwsCode(t, add({ ipProtocol: 300 }), "invalid", /protocol/);
  throwsCode(t, add({ mark: -1 }), "invalid", /mark/);
});

/** As kernel 6.18 reports them: the two above, and the one of table local. */
const MARKED =
  "020c1000fc0000010000000008000f00e803000008000e00ffffffff05001500000000000700030068300000080006006400000008000a00" +
  "004000000800100000ff0000080001000a600000080002000a100000";
const PROHIBIT =
  "0a004000000000080200000008000f000000000008000e00ffffffff0500150000000000080006006500000014000200fd00000000000000" +
  "0000000000000000";
const LOCAL = "02000000ff0000010000000008000f00ff00000008000e00ffffffff0500150002000000";

t.test("rules are decoded", async (t) => {
  const read = (hex: string) => decodeRule(Buffer.from(hex, "hex"));
  t.match(read(MARKED), {
    family: 4,
    priority: 100,
    action: "table",
    table: 1000,
    source: "10.16.0.0/16",
    destination: "10.96.0.0/12",
    mark: 0x4000,
    mask: 0xff00,
    inputInterface: "h0",
    invert: false,
  });
  t.equal(read(MARKED)?.suppressPrefixLength, undefined);
  t.match(read(PROHIBIT), { family: 6, priority: 101, action: "prohibit", source: "fd00::/64", invert: true });
  t.match(read(LOCAL), { priority: 0, table: 255, protocol: 2 });
  t.equal(read(LOCAL)?.source, undefined);
});

t.test("a decoded request has the requested values", async (t) => {
  const spec = fc.record(
    {
      mark: fc.nat(0xffff_ffff),
      mask: fc.nat(0xffff_ffff),
      source: fc.constantFrom("10.0.0.0/8", "192.0.2.1/32"),
      inputInterface: fc.constantFrom("lo", "eth0.100"),
      outputInterface: fc.constantFrom("ovn0"),
      ipProtocol: fc.nat(255),
      suppressPrefixLength: fc.nat(32),
      invert: fc.boolean(),
      protocol: fc.nat(255),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(spec, fc.nat(0xffff_ffff), fc.nat(0xffff_ffff), (rest, priority, table) => {
      const wanted = { family: 4, priority, table, ...rest } as const;
      t.match(decodeRule(encodeRuleNew(wanted).payload), wanted);
      t.same(encodeRuleDelete(wanted).payload, encodeRuleNew(wanted).payload);
    }),
  );
});

t.test("a source prefix of length 0 is omitted", async (t) => {
  const { payload } = encodeRuleNew({ family: 4, priority: 1, table: 100, source: "0.0.0.0/0" });
  t.equal(decodeRule(payload)?.source, undefined);
});

t.test("no input makes the decoder read out of bounds", async () => {
  for (const hex of [MARKED, PROHIBIT, LOCAL]) survivesDamage(decodeRule, Buffer.from(hex, "hex"));
});
