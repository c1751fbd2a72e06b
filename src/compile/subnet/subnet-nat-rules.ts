// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import type { NatRuleText } from "../../contract/subnet.ts";
import type { NatRuleFact, SubnetFact } from "../../facts/subnet.ts";
import { parseIp } from "../../net/address.ts";
import { type Cidr, hostCidr, parseCidr } from "../../net/cidr.ts";
import type { PolicyProblem } from "../../policy/types.ts";

/** Limit for the JSON of the rules, in characters: daemons read node contracts of at most 16 KiB. */
const MAX_LENGTH = 12 * 1024;

/** Length of a rule's ID (Kube-OVN, NatPolicyRuleIDLength). */
const ID_LENGTH = 12;

/** `Subnet.spec.natOutgoingPolicyRules` in the form for nodes, and what is left out. */
export interface NatRules {
  readonly rules: readonly NatRuleText[];
  readonly problems: readonly PolicyProblem[];
}

/** Reads the exceptions to `natOutgoing`, in their order. Invalid rules are left out; the others apply. */
export function readNatRules({ natOutgoing, natRules }: Pick<SubnetFact, "natOutgoing" | "natRules">): NatRules {
  if (natRules.length === 0) return { rules: [], problems: [] };
  if (!natOutgoing)
    return {
      rules: [],
      problems: [problem("spec.natOutgoingPolicyRules", "has no effect unless natOutgoing is true")],
    };
  const rules: NatRuleText[] = [];
  const problems: PolicyProblem[] = [];
  let length = 0;
  for (const [i, written] of natRules.entries()) {
    const read = readRule(written);
    const path = `spec.natOutgoingPolicyRules[${i}]`;
    if (typeof read === "string") {
      problems.push(problem(path, `${read}; the rule is ignored`));
      continue;
    }
    length += JSON.stringify(read).length + 1;
    if (length > MAX_LENGTH) {
      problems.push(
        problem(path, "this rule and those after it are ignored: the list is too long; use fewer, wider CIDRs"),
      );
      break;
    }
    rules.push(read);
  }
  return { rules, problems };
}

/** `status.natOutgoingPolicyRules` as in Kube-OVN: all rules unchanged, each with an ID from its content and its position. */
export function natRuleStatus({ name, natOutgoing, natRules }: SubnetFact): readonly unknown[] {
  if (!natOutgoing) return [];
  return natRules.map(({ srcIPs, dstIPs, action }, i) => {
    const match = { ...(srcIPs !== "" && { srcIPs }), ...(dstIPs !== "" && { dstIPs }) };
    const hash = createHash("sha256")
      .update(`${name}${i}${JSON.stringify({ match, action })}`)
      .digest("hex");
    return { ruleID: hash.slice(0, ID_LENGTH), match, action };
  });
}

function problem(path: string, message: string): PolicyProblem {
  return { reason: "InvalidNatRule", path, message };
}

/** The rule, or what is wrong with it. */
function readRule({ srcIPs, dstIPs, action }: NatRuleFact): NatRuleText | string {
  if (action !== "nat" && action !== "forward") return `action "${action}" must be one of: nat, forward`;
  const source = readAddresses("match.srcIPs", srcIPs);
  if (typeof source === "string") return source;
  const destination = readAddresses("match.dstIPs", dstIPs);
  if (typeof destination === "string") return destination;
  const [of, to] = [source[0]?.family, destination[0]?.family];
  if (of === undefined && to === undefined) return "match has neither srcIPs nor dstIPs";
  if (of !== undefined && to !== undefined && of !== to)
    return "match.srcIPs and match.dstIPs are of different families; give one rule for each family";
  return { action, source: source.map(({ text }) => text), destination: destination.map(({ text }) => text) };
}

/** The addresses of a list, or what is wrong with it. */
function readAddresses(path: string, text: string): readonly Cidr[] | string {
  if (text.trim() === "") return [];
  const cidrs: Cidr[] = [];
  for (const item of text.split(",").map((part) => part.trim())) {
    const ip = parseIp(item);
    const cidr = ip === undefined ? parseCidr(item) : hostCidr(ip);
    if (cidr === undefined) return `${path}: "${item}" is not a valid address or CIDR`;
    cidrs.push(cidr);
  }
  const mixed = cidrs.some(({ family }) => family !== cidrs[0]?.family);
  return mixed ? `${path} has addresses of both families; give one rule for each family` : cidrs;
}
