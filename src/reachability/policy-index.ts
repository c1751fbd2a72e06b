// SPDX-License-Identifier: Apache-2.0

import { OVN_PROVIDER } from "../api/annotations.ts";
import type { PodFact } from "../facts/pod.ts";
import { profileKey } from "../facts/policy-group.ts";
import type { FactReader } from "../facts/store.ts";
import { canonicalGroup, groupName, groupsOfInterface, groupText, selectorInVpc } from "../policy/group.ts";
import { customVpc } from "../policy/pod-vpcs.ts";
import { acceptedPolicy, POLICY_KINDS } from "../policy/policy-kinds.ts";
import type { Direction, Group, Peer, Policy, PolicyRule, PortMatch } from "../policy/types.ts";

/** The active policies with their names for users, to report which one decided. */
export class PolicyIndex {
  readonly #facts: FactReader;
  /** `Policy.id` → the policy. */
  readonly #policies = new Map<string, Policy>();
  /** `Policy.label` → the policy. */
  readonly #byLabel = new Map<string, Policy>();
  /** Name of a group of pods → the policies that apply to it. */
  readonly #bySubject = new Map<string, Policy[]>();

  constructor(facts: FactReader) {
    this.#facts = facts;
    for (const kind of POLICY_KINDS) {
      for (const { key } of facts.all(kind)) {
        const policy = acceptedPolicy(facts, kind, key);
        if (policy === undefined) continue;
        this.#policies.set(policy.id, policy);
        this.#byLabel.set(policy.label, policy);
        for (const selector of policy.subjects) {
          const name = nameOf({ kind: "pods", selector });
          const others = this.#bySubject.get(name);
          if (others === undefined) this.#bySubject.set(name, [policy]);
          else others.push(policy);
        }
      }
    }
  }

  /** The policy that an ACL's `external_ids:policy` names. */
  policy(id: string): Policy | undefined {
    return this.#policies.get(id);
  }

  /** The policy with that label. */
  byLabel(label: string): Policy | undefined {
    return this.#byLabel.get(label);
  }

  /** The policies that apply to a pod's primary interface in one direction, by label. */
  applyingTo(pod: PodFact, direction: Direction): readonly Policy[] {
    const own = this.#facts.by("ips", "holder", pod.holder).find(({ provider }) => provider === OVN_PROVIDER);
    const subnet = own && this.#facts.get("subnets", own.subnet);
    const vpc = subnet && customVpc(this.#facts, subnet);
    const profile = this.#facts.get("profiles", profileKey(pod.profile, vpc));
    const groups = profile === undefined ? [] : groupsOfInterface(profile, OVN_PROVIDER);
    const found = new Set(groups.flatMap((name) => this.#bySubject.get(this.#inDefaultVpc(name)) ?? []));
    return [...found]
      .filter(({ rules, isolation }) => [...rules, ...isolation].some((part) => part.direction === direction))
      .sort((a, b) => a.tier - b.tier || (a.label < b.label ? -1 : 1));
  }

  /** The name of the same group in the default VPC. */
  #inDefaultVpc(name: string): string {
    const group = this.#facts.get("groups", name)?.group;
    if (group?.kind !== "pods" || group.selector.vpc === undefined) return name;
    return nameOf({ kind: "pods", selector: selectorInVpc(group.selector, undefined) });
  }
}

function nameOf(group: Group): string {
  return groupName(canonicalGroup(group));
}

/** The names of the groups that a peer may be, one for each VPC from which a pod may send; none for a CIDR. */
export function peerGroupNames(peer: Peer, vpcs: readonly (string | undefined)[]): readonly string[] {
  if (peer.kind === "cidr") return [];
  if (peer.kind !== "pods") return [nameOf(peer)];
  return vpcs.map((vpc) => nameOf({ kind: "pods", selector: selectorInVpc(peer.selector, vpc) }));
}

/** The path of a rule in the object: `spec.ingress[0]`, with the name that its author gave it. */
export function rulePath(rule: string): string {
  const [, list, index, name] = /^(\w+)\/(\d+)(?:\/(.*))?$/.exec(rule) ?? [];
  if (list !== undefined) return `spec.${list}[${index}]${name === undefined ? "" : ` ${JSON.stringify(name)}`}`;
  if (/^private\b/.test(rule)) return "spec.private";
  return /^(ingress|egress)\/isolation$/.test(rule) ? "isolation" : rule;
}

/** A rule as text: `TCP 80 from pods with app=client in namespace default`. */
export function ruleText({ direction, ports, peers }: PolicyRule): string {
  const what = ports === "any" ? "everything" : ports.length === 0 ? "nothing" : joined(ports.map(portText));
  const ends = peers === "any" ? "any peer" : peers.length === 0 ? "no peer" : joined(peers.map(peerText));
  return `${what} ${direction === "ingress" ? "from" : "to"} ${ends}`;
}

function portText(port: PortMatch): string {
  switch (port.kind) {
    case "any":
      return `any ${port.protocol}`;
    case "range":
      return `${port.protocol} ${port.first}${port.last === port.first ? "" : `-${port.last}`}`;
    case "named":
      return `${port.protocol} ${port.name}`;
  }
}

function peerText(peer: Peer): string {
  if (peer.kind !== "cidr") return groupText(canonicalGroup(peer));
  return peer.except.length === 0 ? peer.cidr : `${peer.cidr} except ${joined(peer.except)}`;
}

/** The number of alternatives that are listed. */
const SHOWN = 6;

function joined(parts: readonly string[]): string {
  if (parts.length > SHOWN) return `${parts.slice(0, SHOWN).join(", ")} and ${parts.length - SHOWN} more`;
  return parts.length < 2 ? (parts[0] ?? "") : `${parts.slice(0, -1).join(", ")} or ${parts.at(-1)}`;
}
