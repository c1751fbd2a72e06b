// SPDX-License-Identifier: Apache-2.0

import { DENY_ALL_GROUP } from "../api/names.ts";
import type { AclDecision } from "../policy/acl-evaluation.ts";
import type { Direction } from "../policy/types.ts";
import type { Acl } from "./acls.ts";
import type { Endpoint } from "./endpoint.ts";
import { type PolicyIndex, rulePath, ruleText } from "./policy-index.ts";

/** The policy id of the ACLs that drop what no SecurityGroup allows. */
export const DENY_ALL_ID = `sg/${DENY_ALL_GROUP}`;

/**
 * The sentence that names what decided about a packet at one place: the policy and its rule, the isolation, or that nothing applies.
 *
 * @param applying the labels of the policies and SecurityGroups that apply to the end in this direction
 * @param end the pod whose port it is; `undefined` for a router's port
 */
export function decisionText(
  book: PolicyIndex,
  what: Direction,
  { verdict, by }: AclDecision<Acl>,
  applying: readonly string[],
  end: Endpoint | undefined,
): string {
  if (by === undefined) {
    if (applying.length === 0) return `no policy applies to its ${what}`;
    return `no rule of ${applying.join(", ")} decides this, and nothing isolates its ${what}`;
  }
  const verb = verdict === "allow" ? "allowed" : verdict === "reject" ? "rejected" : "dropped";
  const { policy: id, rule, node, vpc } = by.externalIds;
  const policy = id === undefined ? undefined : book.policy(id);
  if (id === DENY_ALL_ID && verdict !== "allow") {
    const groups = applying.filter((label) => label.startsWith("SecurityGroup "));
    return `no rule of ${groups.join(", ") || "its SecurityGroups"} allows this`;
  }
  if (rule === `${what}/isolation`) {
    const isolating = applying.filter((label) => label === policy?.label || isIsolating(book, label, what));
    return `isolated by ${isolating.join(", ") || (policy?.label ?? id)}, and no rule allows this`;
  }
  const named = policy?.rules.filter((each) => each.name === rule && each.direction === what);
  const found = named?.find((each) => each.priority === by.priority) ?? named?.[0];
  if (found !== undefined && policy !== undefined) {
    return `${verb} by ${policy.label}, ${rulePath(found.name)}: ${ruleText(found)}`;
  }
  // The rules for all pods of a node, or of a custom VPC (`node-acls.ts`).
  if ((node ?? vpc) !== undefined && end !== undefined)
    return `${verb}: a pod and its own node always reach each other`;
  const owner = aclOwner(book, by);
  const where = owner.rule === undefined ? "" : `, ${owner.rule}`;
  return `${verb} by ${owner.policy === undefined ? `ACL ${by.name || by.uuid}` : `${owner.policy}${where}`}`;
}

function isIsolating(book: PolicyIndex, label: string, what: Direction): boolean {
  return book.byLabel(label)?.isolation.some(({ direction }) => direction === what) === true;
}

/** Other owners of ACLs, by the first part of their id. */
const OTHER_KINDS: Readonly<Record<string, string>> = { sg: "SecurityGroup", subnet: "Subnet" };

/** The policy that an ACL belongs to, for users, and the path of its rule; empty if it belongs to none. */
export function aclOwner(
  book: PolicyIndex,
  { externalIds }: Acl,
): { readonly policy?: string; readonly rule?: string } {
  const { policy: id, rule, node } = externalIds;
  if (id === undefined) return node === undefined ? {} : { policy: `node ${node}` };
  const [prefix = "", name = ""] = id.split("/", 2);
  const kind = OTHER_KINDS[prefix];
  const policy = book.policy(id)?.label ?? (kind === undefined ? id : `${kind} ${name}`);
  if (rule === undefined) return { policy };
  // A SecurityGroup has other names for its lists of rules.
  const path = rulePath(rule);
  return { policy, rule: prefix === "sg" ? path.replace(/^spec\.(ingress|egress)\[/, "spec.$1Rules[") : path };
}
