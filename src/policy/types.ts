// SPDX-License-Identifier: Apache-2.0

import type { GroupMeaning, PodSelectorFact } from "../facts/policy-group.ts";

/**
 * The common form of every kind of policy (NetworkPolicy, AdminNetworkPolicy, ClusterNetworkPolicy …), before it becomes ACLs. Values are plain and
 * immutable; selectors are canonical (`canonicalSelector` in `labels.ts`), so equal ones are one group.
 */

/** From the view of the selected pods: `ingress` is to them, `egress` is from them. */
export type Direction = "ingress" | "egress";

/** A transport protocol, as Kubernetes spells it. */
export type Protocol = "TCP" | "UDP" | "SCTP";

/** Pods by labels, see {@link PodSelectorFact}. */
export type PodSelector = PodSelectorFact;

/** A set of addresses that ACLs refer to by name; policies with equal sets share it. */
export type Group = GroupMeaning;

/** The other side of a rule. Several peers of a rule are alternatives. */
export type Peer =
  | Group
  /** Canonical CIDRs; those of `except` lie inside. */
  | { readonly kind: "cidr"; readonly cidr: string; readonly except: readonly string[] };

/** Ports of the destination. Several of a rule are alternatives. */
export type PortMatch =
  /** All ports of a protocol. */
  | { readonly kind: "any"; readonly protocol: Protocol }
  /** `last` equals `first` for a single one. */
  | { readonly kind: "range"; readonly protocol: Protocol; readonly first: number; readonly last: number }
  /** The number that the receiving pod has for this name. */
  | { readonly kind: "named"; readonly protocol: Protocol; readonly name: string };

/** What an ACL does (ovn-nb(5), ACL `action`). `pass` leaves the decision to the next tier. */
export type PolicyRuleAction = "allow-related" | "drop" | "pass";

/** One rule: traffic between the subject and one of the peers at one of the ports. */
export interface PolicyRule {
  readonly direction: Direction;
  /** Of the ACL, within the tier; larger wins. */
  readonly priority: number;
  readonly action: PolicyRuleAction;
  /** `any`: every peer. An empty list matches none. */
  readonly peers: "any" | readonly Peer[];
  /** `any`: all traffic of every protocol. An empty list matches nothing. */
  readonly ports: "any" | readonly PortMatch[];
  /** For people: `ingress/0`, or the author's name for the rule. */
  readonly name: string;
  readonly log?: RuleLog;
}

/** What is logged of traffic that a rule decides, see ovn-nb(5) ACL `log` and `meter`. */
export interface RuleLog {
  readonly severity: "alert" | "warning" | "notice" | "info" | "debug";
  /** Packets per second at most; 0 for no limit. */
  readonly rate: number;
}

/** What happens to a subject's traffic that no rule of its policies decides, in one direction. */
export interface Isolation {
  readonly direction: Direction;
  readonly priority: number;
  /** `lax` exempts DHCP and everything that is not TCP, UDP or SCTP. */
  readonly mode: "standard" | "lax";
  readonly log?: RuleLog;
}

/** A policy, translated. */
export interface Policy {
  /** Owner of its rows: `np/<namespace>/<name>`, `anp/<name>`, `banp/<name>`, `cnp/<name>`. */
  readonly id: string;
  /** Its human-readable name: `NetworkPolicy default/web`. */
  readonly label: string;
  /** OVN's tier of its ACLs (ovn-nb(5), ACL `tier`); smaller is decided first. */
  readonly tier: 0 | 1 | 2 | 3;
  /** The subjects; several are alternatives. */
  readonly subjects: readonly PodSelector[];
  readonly rules: readonly PolicyRule[];
  readonly isolation: readonly Isolation[];
  /** Parts that cannot be enforced as written, each as a message; they fail closed. */
  readonly problems: readonly PolicyProblem[];
}

/** A part of a policy that is invalid or not supported. */
export interface PolicyProblem {
  /** The field, as a path: `spec.ingress[0].from[1].ipBlock.cidr`. */
  readonly path: string;
  /** One CamelCase word, for Events and conditions. */
  readonly reason: string;
  /** Names the value, what is wrong, and what would be accepted. */
  readonly message: string;
}
