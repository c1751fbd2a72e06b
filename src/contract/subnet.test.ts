// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import type { Cidr } from "../net/cidr.ts";
import { decodeSubnetContract, encodeSubnetContract, type SubnetContractText } from "./subnet.ts";
import { anyCidr, anyIp, anyName, codeOf } from "./testing/arbitraries.ts";

const contract = (): fc.Arbitrary<SubnetContractText> =>
  fc.record<SubnetContractText>(
    {
      natRules: fc.array(
        fc.record(
          {
            action: fc.constantFrom("nat", "forward"),
            source: fc.array(anyCidr(), { maxLength: 3 }),
            destination: fc.array(anyCidr(), { maxLength: 3 }),
          },
          { noNullPrototype: true },
        ),
        { minLength: 1, maxLength: 3 },
      ),
      egress: fc.record(
        {
          gateways: fc.array(fc.oneof(anyIp(4), anyIp(6)), { maxLength: 2 }),
          table: fc.integer({ min: 1, max: 0xffff_ffff }),
          priority: fc.integer({ min: 1, max: 0xffff_ffff }),
        },
        { noNullPrototype: true },
      ),
      probe: fc.record({ vpc: anyName(), cidrs: fc.array(anyCidr(), { maxLength: 2 }) }, { noNullPrototype: true }),
      cidrs: fc.array(anyCidr(), { maxLength: 2 }),
      natOutgoing: fc.boolean(),
      gatewayType: fc.constantFrom("distributed", "centralized"),
      mtu: fc.integer({ min: 0, max: 65_535 }),
      network: fc.constantFrom("external", "b"),
      nodeNetwork: fc.constantFrom("storage", "b"),
    },
    {
      noNullPrototype: true,
      requiredKeys: ["natRules", "egress", "probe", "cidrs", "natOutgoing", "gatewayType", "mtu"],
    },
  );

const SAMPLE = { cidrs: ["10.16.0.0/16"], natOutgoing: true, gatewayType: "distributed", mtu: 1400 } as const;

t.test("what the controller writes is what a daemon reads", async (t) => {
  fc.assert(
    fc.property(contract(), (written) => {
      const { cidrs, natRules = [], egress, probe, ...rest } = decodeSubnetContract(encodeSubnetContract(written));
      const texts = (list: readonly Cidr[]): readonly string[] => list.map(({ text }) => text);
      const rules = natRules.map(({ action, source, destination }) => {
        return { action, source: texts(source), destination: texts(destination) };
      });
      const way = egress && { ...egress, gateways: egress.gateways.map(({ text }) => text) };
      const probed = probe && { ...probe, cidrs: texts(probe.cidrs) };
      t.strictSame({ ...rest, natRules: rules, egress: way, probe: probed, cidrs: texts(cidrs) }, written);
    }),
  );
});

t.test("the text is a document with a version, which a person can read", async (t) => {
  t.equal(
    encodeSubnetContract(SAMPLE),
    '{"version":1,"cidrs":["10.16.0.0/16"],"natOutgoing":true,"gatewayType":"distributed","mtu":1400}',
  );
});

t.test("unknown fields of a later version are ignored", async (t) => {
  t.match(decodeSubnetContract(JSON.stringify({ version: 1, ...SAMPLE, later: { a: 1 } })), { mtu: 1400 });
});

t.test("any other text is refused with the reason", async (t) => {
  const sample = { version: 1, ...SAMPLE };
  const { cidrs: _, ...without } = sample;
  for (const [text, code] of [
    ["", /^malformed: the document is not JSON/],
    ["null", /^malformed: the document is not a JSON object/],
    ["[]", /^malformed: the document is not a JSON object/],
    [JSON.stringify(SAMPLE), /^malformed: the document has no version/],
    [JSON.stringify({ ...sample, version: "1" }), /^malformed: the document has no version/],
    [JSON.stringify({ ...sample, version: 2 }), /^unsupported-version: .* version 2, and only version 1/],
    [JSON.stringify({ ...sample, more: "x".repeat(20_000) }), /^malformed: .* more than 16384 characters/],
    [JSON.stringify(without), /^invalid-field: field "cidrs" must be a list of CIDRs/],
    [JSON.stringify({ ...sample, cidrs: "10.16.0.0/16" }), /^invalid-field: field "cidrs"/],
    [JSON.stringify({ ...sample, cidrs: ["10.16.0.0/33"] }), /^invalid-field: field "cidrs"/],
    [JSON.stringify({ ...sample, cidrs: ["0.0.0.0/0"] }), /^invalid-field: field "cidrs"/],
    [JSON.stringify({ ...sample, cidrs: [null] }), /^invalid-field: field "cidrs"/],
    [JSON.stringify({ ...sample, natOutgoing: "true" }), /^invalid-field: field "natOutgoing" must be true or false/],
    [JSON.stringify({ ...sample, gatewayType: "" }), /^invalid-field: field "gatewayType" must be "distributed" or/],
    [JSON.stringify({ ...sample, natRules: {} }), /^invalid-field: field "natRules" must be a list of rules/],
    [JSON.stringify({ ...sample, natRules: ["nat"] }), /^invalid-field: field "natRules" must be a list of rules/],
    [
      JSON.stringify({ ...sample, natRules: [{ action: "drop", source: [], destination: [] }] }),
      /^invalid-field: field "action" must be "nat" or "forward"/,
    ],
    [
      JSON.stringify({ ...sample, natRules: [{ action: "nat", source: ["10.0.0.1"], destination: [] }] }),
      /^invalid-field: field "source" must be a list of CIDRs/,
    ],
    [JSON.stringify({ ...sample, egress: 1 }), /^invalid-field: field "egress" must be an object/],
    [
      JSON.stringify({ ...sample, egress: { gateways: ["x"], table: 1, priority: 1 } }),
      /^invalid-field: field "gateways" must be a list of addresses/,
    ],
    [JSON.stringify({ ...sample, egress: { gateways: [], table: 0, priority: 1 } }), /^invalid-field: field "table"/],
    [JSON.stringify({ ...sample, mtu: 1.5 }), /^invalid-field: field "mtu" must be a whole number from 0 to 65535/],
    [JSON.stringify({ ...sample, probe: { vpc: "", cidrs: [] } }), /^invalid-field: field "probe" must be a VPC/],
    [JSON.stringify({ ...sample, probe: { vpc: "a", cidrs: ["x"] } }), /^invalid-field: field "cidrs"/],
    [JSON.stringify({ ...sample, mtu: 70_000 }), /^invalid-field: field "mtu"/],
    [JSON.stringify({ ...sample, nodeNetwork: 1 }), /^invalid-field: field "nodeNetwork" must be a name/],
  ] as const)
    t.match(
      codeOf(() => decodeSubnetContract(text)),
      code,
      text.slice(0, 80),
    );
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      t.match(
        codeOf(() => decodeSubnetContract(text)),
        /^(malformed|unsupported-version|invalid-field): /,
      );
    }),
  );
});
