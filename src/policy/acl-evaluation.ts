// SPDX-License-Identifier: Apache-2.0

import { isMatch, readMatch } from "./match-evaluation.ts";
import type { MatchExpression } from "./match-expression.ts";
import type { NamedSets, Packet } from "./packet.ts";

export type { NamedSets, Packet } from "./packet.ts";

/** An ACL as evaluated for a packet (ovn-nb(5), table ACL); rows of the northbound database have this form. */
export interface AclView {
  readonly direction: "from-lport" | "to-lport";
  readonly priority: number;
  readonly match: string;
  readonly action: "allow" | "allow-related" | "allow-stateless" | "drop" | "reject" | "pass";
  readonly tier: number;
  readonly options?: Readonly<Record<string, string>>;
}

/** The decision of a stage, and why. */
export interface AclDecision<A extends AclView = AclView> {
  readonly verdict: "allow" | "drop" | "reject";
  /** The ACL that decides; absent if none matches, which allows. */
  readonly by?: A;
  /** The ACLs with action `pass` that deferred the decision to the next tier. */
  readonly passedBy: readonly A[];
}

/** The stages: leaving the port, before and after load balancing; and going to the port. */
export type AclStage = "from-lport" | "from-lport-after-lb" | "to-lport";

/** The stage of an ACL (ovn-nb(5), ACL `direction` and `options:apply-after-lb`). */
export function stageOf(acl: AclView): AclStage {
  if (acl.direction === "to-lport") return "to-lport";
  return acl.options?.["apply-after-lb"] === "true" ? "from-lport-after-lb" : "from-lport";
}

/** ACLs by the stage in which they are evaluated. */
export type AclStages<A extends AclView> = Readonly<Record<AclStage, readonly A[]>>;

/** Sorts ACLs by stage; their order is kept. */
export function byStage<A extends AclView>(acls: readonly A[]): AclStages<A> {
  const of = (stage: AclStage): readonly A[] => acls.filter((acl) => stageOf(acl) === stage);
  return {
    "from-lport": of("from-lport"),
    "from-lport-after-lb": of("from-lport-after-lb"),
    "to-lport": of("to-lport"),
  };
}

/**
 * Evaluates the ACLs of one stage for a packet: the lowest tier first; within it the highest priority that matches; `pass` continues with the next
 * tier, and so does a tier in which nothing matches; after the last one the packet is allowed. Of matching ACLs with the same priority OVN may use
 * any; this uses the strictest. An ACL whose match OVN would refuse, or that names a set that does not exist, is not active. The array must not be
 * changed afterwards.
 */
export function decideStage<A extends AclView>(acls: readonly A[], packet: Packet, sets: NamedSets): AclDecision<A> {
  const passedBy: A[] = [];
  let passedTier = -1;
  for (const { acl, match } of ready(acls) as readonly Ready<A>[]) {
    if (acl.tier === passedTier || !isMatch(match, packet, sets)) continue;
    if (acl.action === "pass") {
      passedBy.push(acl);
      passedTier = acl.tier;
    } else {
      const { action } = acl;
      return { verdict: action === "drop" || action === "reject" ? action : "allow", by: acl, passedBy };
    }
  }
  return { verdict: "allow", passedBy };
}

const STRICTNESS: readonly AclView["action"][] = [
  "drop",
  "reject",
  "pass",
  "allow-related",
  "allow",
  "allow-stateless",
];

/** An ACL with its parsed match. */
interface Ready<A extends AclView = AclView> {
  readonly acl: A;
  readonly match: MatchExpression;
}

/** A list of ACLs → the active ones, in the order of evaluation. */
const READY = new WeakMap<readonly AclView[], readonly Ready[]>();

function ready(acls: readonly AclView[]): readonly Ready[] {
  let known = READY.get(acls);
  if (known === undefined) {
    known = acls
      .toSorted(
        (a, b) =>
          a.tier - b.tier || b.priority - a.priority || STRICTNESS.indexOf(a.action) - STRICTNESS.indexOf(b.action),
      )
      .flatMap((acl) => {
        const match = readMatch(acl.match);
        return match === undefined ? [] : [{ acl, match }];
      });
    READY.set(acls, known);
  }
  return known;
}
