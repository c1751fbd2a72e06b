// SPDX-License-Identifier: Apache-2.0

import { OVN_PROVIDER, podAnnotation } from "../api/annotations.ts";
import { commaList } from "../collections/comma-list.ts";
import { getOrAdd } from "../collections/get-or-add.ts";
import { MultiMap } from "../collections/multi-map.ts";
import type { FactChange } from "../facts/fact-change.ts";
import type { PodFact } from "../facts/pod.ts";
import type { FactReader, FactStore } from "../facts/store.ts";
import { customVpc, podsConcerned } from "./pod-vpcs.ts";

/** The names in a pod's annotation `security_groups` of one interface, without duplicates. */
export function namedSecurityGroups(pod: PodFact, provider: string = OVN_PROVIDER): readonly string[] {
  const text = pod.annotations[podAnnotation(provider, "security_groups")];
  if (text === undefined) return [];
  return [...new Set(commaList(text))].sort();
}

/** Whether a pod names a group for any of its interfaces. */
function namesAny(pod: PodFact): boolean {
  if (pod.networks === undefined && pod.networksProblem === undefined) return namedSecurityGroups(pod).length > 0;
  return Object.keys(pod.annotations).some((key) => key.endsWith(".kubernetes.io/security_groups"));
}

/** Custom VPC → the groups that a pod names for interfaces there. */
function groupsByVpc(reader: FactReader, pod: PodFact): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const { provider, subnet: name } of reader.by("ips", "holder", pod.holder)) {
    const subnet = reader.get("subnets", name);
    const vpc = subnet && customVpc(reader, subnet);
    if (vpc === undefined) continue;
    found.set(vpc, [...new Set([...(found.get(vpc) ?? []), ...namedSecurityGroups(pod, provider)])]);
  }
  return found;
}

/**
 * Maintains derived facts: which SecurityGroups exist (`securityGroupPresence`), so that a change of rules does not trigger pods; in which custom
 * VPCs they have members (`securityGroupVpcs`); and whether there are any, or pods that name one (`policyUse`), so that nodes know whether a rule
 * must allow them to reach their pods.
 */
export class SecurityGroupIndex {
  readonly #facts: FactStore;
  /** Keys of the pods that name a group → the groups that they name for interfaces in custom VPCs, with the VPC. */
  readonly #members = new Map<string, ReadonlyMap<string, readonly string[]>>();
  /** Group → custom VPC → keys of the pods that name it for an interface there. */
  readonly #vpcs = new Map<string, MultiMap<string, string>>();

  constructor(facts: FactStore) {
    this.#facts = facts;
  }

  /** Processes all facts at once. */
  start(): void {
    for (const { key } of this.#facts.all("securityGroups")) this.#note(key);
    for (const pod of this.#facts.all("pods")) this.#notePod(pod.key);
    this.#finish();
  }

  /** A fact has changed. Call this before units are notified, so that they find the derived facts. */
  noteFact(change: FactChange): void {
    const { kind, key } = change;
    if (kind === "securityGroups") this.#note(key);
    else if (kind === "pods" || kind === "ips" || kind === "subnets") {
      for (const pod of podsConcerned(this.#facts, change)) this.#notePod(pod);
    } else return;
    this.#finish();
  }

  #note(key: string): void {
    this.#facts.set("securityGroupPresence", key, this.#facts.get("securityGroups", key) && { key });
    this.#facts.setUnread("securityGroupPresence", key, this.#facts.isUnread("securityGroups", key));
  }

  #notePod(key: string): void {
    const pod = this.#facts.get("pods", key);
    const old = this.#members.get(key);
    const now = pod !== undefined && namesAny(pod) ? groupsByVpc(this.#facts, pod) : undefined;
    if (old === undefined && now === undefined) return;
    if (now === undefined) this.#members.delete(key);
    else this.#members.set(key, now);
    const groups = new Set([...(old?.values() ?? []), ...(now?.values() ?? [])].flat());
    for (const [vpc, names] of now ?? [])
      for (const name of names) getOrAdd(this.#vpcs, name, () => new MultiMap<string, string>()).add(vpc, key);
    for (const [vpc, names] of old ?? [])
      for (const name of names) if (now?.get(vpc)?.includes(name) !== true) this.#vpcs.get(name)?.delete(vpc, key);
    for (const name of groups) {
      const vpcs = [...(this.#vpcs.get(name)?.keys() ?? [])].sort();
      if (vpcs.length === 0) this.#vpcs.delete(name);
      this.#facts.set("securityGroupVpcs", name, vpcs.length === 0 ? undefined : { key: name, vpcs });
    }
  }

  #finish(): void {
    const any = this.#facts.size("securityGroups") > 0 || this.#members.size > 0;
    this.#facts.set("policyUse", "securityGroups", any ? { key: "securityGroups", any } : undefined);
  }
}
