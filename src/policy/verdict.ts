// SPDX-License-Identifier: Apache-2.0

import { isMatch, readMatch } from "./match.ts";
import type { MatchExpression } from "./match-expression.ts";
import type { NamedSets, Packet } from "./packet.ts";

export type { NamedSets, Packet } from "./packet.ts";

/** What an ACL is to a packet (ovn-nb(5), table ACL). A row of the northbound database is one. */
export interface AclView {
  readonly direction: "from-lport" | "to-lport";
  readonly priority: number;
  readonly match: string;
  readonly action: "allow" | "allow-related" | "allow-stateless" | "drop" | "reject" | "pass";
  readonly tier: number;
  readonly options?: Readonly<Record<string, string>>;
}

/** What a stage decides, and why. */
export interface AclDecision<A extends AclView = AclView> {
  readonly verdict: "allow" | "drop" | "reject";
  /** The ACL that decides; absent where none matches, which allows. */
  readonly by?: A;
  /** The ACLs with action `pass` by which the decision went on to the next tier. */
  readonly passedBy: readonly A[];
}

/** The same for the whole way through one switch. */
export interface SwitchDecision<A extends AclView = AclView> extends AclDecision<A> {
  /** The stage that decides; the last one where all allow. */
  readonly stage: AclStage;
}

/** Where an ACL is looked at: leaving the port, before and after load balancing; or going to the port. */
export type AclStage = "from-lport" | "from-lport-after-lb" | "to-lport";

/** The stage of an ACL (ovn-nb(5), ACL `direction` and `options:apply-after-lb`). */
export function stageOf(acl: AclView): AclStage {
  if (acl.direction === "to-lport") return "to-lport";
  return acl.options?.["apply-after-lb"] === "true" ? "from-lport-after-lb" : "from-lport";
}

/** ACLs by the stage in which they are looked at. */
export type AclStages<A extends AclView> = Readonly<Record<AclStage, readonly A[]>>;

/** Sorts ACLs by stage; their order stays. */
export function byStage<A extends AclView>(acls: readonly A[]): AclStages<A> {
  const of = (stage: AclStage): readonly A[] => acls.filter((acl) => stageOf(acl) === stage);
  return {
    "from-lport": of("from-lport"),
    "from-lport-after-lb": of("from-lport-after-lb"),
    "to-lport": of("to-lport"),
  };
}

/**
 * What the ACLs of one stage make of a packet: the lowest tier is decided first; within it the highest priority that matches; `pass`
 * goes on to the next tier, and so does a tier in which nothing matches; after the last one, the packet is allowed. Where two of one
 * priority match, OVN does as it likes; this takes the strictest. An ACL whose match OVN would refuse, or that names a set that does
 * not exist, is not active. The array is taken for immutable.
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

/** What ACLs of all stages make of a packet that comes and goes by ports of one switch: every stage must allow it. */
export function decideAll<A extends AclView>(acls: readonly A[], packet: Packet, sets: NamedSets): SwitchDecision<A> {
  const stages = staged(acls);
  // In the stages before forwarding, where it goes to is not known yet.
  const { outport: _, ...leaving } = packet;
  const first = decideStage(stages["from-lport"] as readonly A[], leaving, sets);
  if (first.verdict !== "allow") return { ...first, stage: "from-lport" };
  const second = decideStage(stages["from-lport-after-lb"] as readonly A[], leaving, sets);
  if (second.verdict !== "allow") return { ...second, stage: "from-lport-after-lb" };
  return { ...decideStage(stages["to-lport"] as readonly A[], packet, sets), stage: "to-lport" };
}

const STRICTNESS: readonly AclView["action"][] = [
  "drop",
  "reject",
  "pass",
  "allow-related",
  "allow",
  "allow-stateless",
];

/** An ACL, its match read. */
interface Ready<A extends AclView = AclView> {
  readonly acl: A;
  readonly match: MatchExpression;
}

/** A list of ACLs → the active ones, in the order in which they decide. */
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

/** A list of ACLs → the same by stage. */
const STAGED = new WeakMap<readonly AclView[], AclStages<AclView>>();

function staged(acls: readonly AclView[]): AclStages<AclView> {
  let known = STAGED.get(acls);
  if (known === undefined) {
    known = byStage(acls);
    STAGED.set(acls, known);
  }
  return known;
}
