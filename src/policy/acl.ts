// SPDX-License-Identifier: Apache-2.0

import { matchesOf, type NumbersOf, subjectMatch } from "./acl-match.ts";
import { canonicalGroup, groupName, selectorInVpc } from "./group.ts";
import { nearTo, ONE_VPC, type PodVpcs } from "./peer-vpcs.ts";
import type { Direction, Group, Isolation, Policy, PolicyRuleAction, RuleLog } from "./types.ts";

/** One ACL of a policy (ovn-nb(5), ACL table). */
export interface AclSpec {
  /** Name of the group whose Port_Group holds it. */
  readonly holder: string;
  readonly direction: Direction;
  readonly tier: Policy["tier"];
  readonly priority: number;
  readonly match: string;
  readonly action: PolicyRuleAction;
  /** The rule of the policy, see `PolicyRule.name`; `<direction>/isolation` for traffic that no rule decides. */
  readonly rule: string;
  readonly log?: RuleLog;
}

/** A policy in terms of OVN: its ACLs, and the groups that they refer to by name. */
export interface CompiledPolicy {
  readonly acls: readonly AclSpec[];
  /** Name → group. */
  readonly groups: ReadonlyMap<string, Group>;
}

/**
 * The ACLs of a policy. Pure: depends on the policy, on the numbers of its named ports and on where pods are. A rule becomes one ACL for each IP
 * family (one for both if any peer is allowed), one more for each ipBlock with exceptions, and one for each number of a named port.
 *
 * VPCs may have equal addresses, so each has ACLs of its own: for the default VPC, and for each custom one in which there are subjects. Peers: `nearTo`.
 * @param bySource whether nodes send to Services from other addresses than their InternalIPs, by which an ipBlock means them.
 */
export function compileAcls(
  policy: Policy,
  numbersOf: NumbersOf,
  vpcs: PodVpcs = ONE_VPC,
  bySource = false,
): CompiledPolicy {
  const acls = new Map<string, AclSpec>();
  const groups = new Map<string, Group>();
  const use = (group: Group): string => {
    const canonical = canonicalGroup(group);
    const name = groupName(canonical);
    groups.set(name, canonical);
    return name;
  };
  const add = (wanted: AclSpec): void => {
    for (const spec of placed(wanted)) {
      const { holder, direction, tier, priority, match } = spec;
      acls.set([holder, tier, priority, direction, match].join("\0"), spec);
    }
  };
  for (const selected of policy.subjects) {
    for (const vpc of [undefined, ...vpcs.of(selected)]) {
      const selector = selectorInVpc(selected, vpc);
      const subject = { selector, name: use({ kind: "pods", selector }) };
      const near = nearTo(vpc, vpcs);
      // Nodes reach Services of the default VPC only.
      const sources = bySource && vpc === undefined;
      for (const rule of policy.rules) {
        for (const { holder, match } of matchesOf(rule, subject, near, use, numbersOf, sources)) {
          const { direction, priority, action, name, log } = rule;
          add({ holder, direction, tier: policy.tier, priority, match, action, rule: name, ...(log && { log }) });
        }
      }
      for (const isolation of policy.isolation) add(isolationAcl(isolation, subject.name, policy.tier));
    }
  }
  return { acls: [...acls.values()], groups };
}

/**
 * Where an ACL is evaluated. Everything that leaves a pod is evaluated in one stage, after load balancing, and must be allowed by NetworkPolicies as
 * well as by SecurityGroups and the subnet's own rules, which have OVN's tiers 2 and 3. So policies come before them: administrators' policies in
 * tier 0, and NetworkPolicies in tier 1, where what they allow passes. It is allowed in tier 2, after all other rules there, so that the baseline in
 * tier 3 is not evaluated.
 */
function placed(spec: AclSpec): readonly AclSpec[] {
  if (spec.direction === "ingress" || spec.tier === 3) return [spec];
  if (spec.tier !== 2) return [{ ...spec, tier: 0 }];
  if (spec.action !== "allow-related") return [{ ...spec, tier: 1 }];
  const { log: _, ...quiet } = spec;
  return [
    { ...quiet, tier: 1, action: "pass" },
    { ...spec, tier: 2, priority: 0 },
  ];
}

function isolationAcl({ direction, priority, mode, log }: Isolation, holder: string, tier: Policy["tier"]): AclSpec {
  const what = mode === "standard" ? "ip" : "(tcp || sctp || (udp && udp.dst != {67, 68, 546, 547}))";
  const match = `${subjectMatch(direction, holder)} && ${what}`;
  return {
    holder,
    direction,
    tier,
    priority,
    match,
    action: "drop",
    rule: `${direction}/isolation`,
    ...(log && { log }),
  };
}
