// SPDX-License-Identifier: Apache-2.0

import { OVN_PROVIDER, podAnnotation } from "../api/annotations.ts";
import type { FactChange } from "../facts/fact-change.ts";
import type { PodFact } from "../facts/pod.ts";
import type { FactStore } from "../facts/store.ts";

/** The names in a pod's annotation `security_groups` of one interface, without duplicates. */
export function namedSecurityGroups(pod: PodFact, provider: string = OVN_PROVIDER): readonly string[] {
  const text = pod.annotations[podAnnotation(provider, "security_groups")];
  if (text === undefined) return [];
  const names = text.split(",").map((name) => name.trim());
  return [...new Set(names)].filter((name) => name !== "").sort();
}

/** Whether a pod names a group for any of its interfaces. */
function namesAny(pod: PodFact): boolean {
  if (pod.networks === undefined && pod.networksProblem === undefined) return namedSecurityGroups(pod).length > 0;
  return Object.keys(pod.annotations).some((key) => key.endsWith(".kubernetes.io/security_groups"));
}

/**
 * Maintains derived facts: which SecurityGroups exist (`securityGroupPresence`), so that a change of rules does not wake pods; and whether there are
 * any, or pods that name one (`policyUse`), so that nodes know whether a rule must allow them to reach their pods.
 */
export class SecurityGroupIndex {
  readonly #facts: FactStore;
  /** Keys of the pods that name a group. */
  readonly #members = new Set<string>();

  constructor(facts: FactStore) {
    this.#facts = facts;
  }

  /** Processes all facts at once. */
  start(): void {
    for (const { key } of this.#facts.all("securityGroups")) this.#note(key);
    for (const pod of this.#facts.all("pods")) this.#notePod(pod.key, pod);
    this.#finish();
  }

  /** A fact has changed. Call this before units are notified, so that they find the derived facts. */
  noteFact({ kind, key, new: now }: FactChange): void {
    if (kind === "securityGroups") this.#note(key);
    else if (kind === "pods") this.#notePod(key, now as PodFact | undefined);
    else return;
    this.#finish();
  }

  #note(key: string): void {
    this.#facts.set("securityGroupPresence", key, this.#facts.get("securityGroups", key) && { key });
    this.#facts.setUnread("securityGroupPresence", key, this.#facts.isUnread("securityGroups", key));
  }

  #notePod(key: string, pod: PodFact | undefined): void {
    if (pod !== undefined && namesAny(pod)) this.#members.add(key);
    else this.#members.delete(key);
  }

  #finish(): void {
    const any = this.#facts.size("securityGroups") > 0 || this.#members.size > 0;
    this.#facts.set("policyUse", "securityGroups", any ? { key: "securityGroups", any } : undefined);
  }
}
