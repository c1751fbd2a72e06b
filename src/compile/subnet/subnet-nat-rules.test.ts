// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { SubnetSpec } from "../../api/generated/subnet.ts";
import { projectSubnet } from "../../facts/project-subnet.ts";
import { natRuleStatus, readNatRules } from "./subnet-nat-rules.ts";

type Rules = NonNullable<SubnetSpec["natOutgoingPolicyRules"]>;

function subnet(natOutgoingPolicyRules: Rules, natOutgoing = true) {
  const spec = { cidrBlock: "10.60.0.0/24,fd00:60::/112", natOutgoing, natOutgoingPolicyRules };
  return projectSubnet({ metadata: { name: "shop", uid: "u1" }, spec });
}

const SAMPLE: Rules = [
  { match: { srcIPs: "10.60.0.7,10.60.0.16/28" }, action: "nat" },
  { match: { srcIPs: "10.60.0.0/24", dstIPs: "192.168.0.1/16" }, action: "forward" },
  { match: { dstIPs: "2001:DB8::/32" }, action: "forward" },
];

t.test("rules keep their order, their lists as CIDRs", async (t) => {
  t.strictSame(readNatRules(subnet(SAMPLE)), {
    rules: [
      { action: "nat", source: ["10.60.0.7/32", "10.60.0.16/28"], destination: [] },
      { action: "forward", source: ["10.60.0.0/24"], destination: ["192.168.0.0/16"] },
      { action: "forward", source: [], destination: ["2001:db8::/32"] },
    ],
    problems: [],
  });
});

t.test("an invalid rule is left out and named, the others apply", async (t) => {
  for (const [rule, why] of [
    [{ match: { srcIPs: "10.60.0.300" }, action: "nat" }, /match.srcIPs: "10.60.0.300" is not a valid address or CIDR/],
    [{ match: { dstIPs: "10.0.0.0/33" }, action: "nat" }, /match.dstIPs: "10.0.0.0\/33" is not a valid/],
    [{ match: { dstIPs: "10.0.0.1," }, action: "nat" }, /match.dstIPs: "" is not a valid/],
    [{ match: { dstIPs: "10.0.0.1,fd00::1" }, action: "nat" }, /match.dstIPs has addresses of both families/],
    [{ match: { srcIPs: "10.60.0.1", dstIPs: "fd00::1" }, action: "nat" }, /of different families/],
    [{ match: {}, action: "nat" }, /match has neither srcIPs nor dstIPs/],
    [{ action: "nat" }, /match has neither/],
    [{ match: { dstIPs: "10.0.0.1" }, action: "" }, /action "" must be one of: nat, forward/],
    [{ match: { dstIPs: "10.0.0.1" } }, /action "" must be one of: nat, forward/],
  ] as const) {
    const { rules, problems } = readNatRules(subnet([rule, ...SAMPLE]));
    t.equal(rules.length, 3, JSON.stringify(rule));
    t.match(problems, [{ reason: "InvalidNatRule", path: "spec.natOutgoingPolicyRules[0]", message: why }]);
    t.match(problems[0]?.message, /the rule is ignored/);
  }
});

t.test("without natOutgoing exceptions have no effect, and the condition reports it", async (t) => {
  const { rules, problems } = readNatRules(subnet(SAMPLE, false));
  t.strictSame(rules, []);
  t.match(problems, [{ path: "spec.natOutgoingPolicyRules", message: /no effect unless natOutgoing is true/ }]);
  t.strictSame(natRuleStatus(subnet(SAMPLE, false)), []);
});

t.test(
  "a list that does not fit into a node contract is cut, and the condition names the first rule that is left out",
  async (t) => {
    const many = Array.from({ length: 40 }, (_, i) => ({
      match: { dstIPs: Array.from({ length: 40 }, (_, j) => `192.168.${i}.${j}`).join(",") },
      action: "forward" as const,
    }));
    const { rules, problems } = readNatRules(subnet(many));
    t.ok(rules.length > 10 && rules.length < 40, `${rules.length}`);
    t.ok(JSON.stringify(rules).length < 13_000);
    t.match(problems, [{ path: `spec.natOutgoingPolicyRules[${rules.length}]`, message: /too long/ }]);
  },
);

t.test("the status has each rule unchanged with an ID from its content and position, as in Kube-OVN", async (t) => {
  const status = natRuleStatus(subnet(SAMPLE));
  t.match(status, [
    // printf '%s' 'shop0{"match":{"srcIPs":"10.60.0.7,10.60.0.16/28"},"action":"nat"}' | sha256sum
    { ruleID: "8f0578c67fa5", match: { srcIPs: "10.60.0.7,10.60.0.16/28" }, action: "nat" },
    { ruleID: /^[0-9a-f]{12}$/, match: { srcIPs: "10.60.0.0/24", dstIPs: "192.168.0.1/16" }, action: "forward" },
    { ruleID: /^[0-9a-f]{12}$/, match: { dstIPs: "2001:DB8::/32" }, action: "forward" },
  ]);
});
