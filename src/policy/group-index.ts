// SPDX-License-Identifier: Apache-2.0

import { MultiMap } from "../collections/multi-map.ts";
import type { Dependency } from "../facts/dependency.ts";
import { Dependents } from "../facts/dependents.ts";
import type { FactChange } from "../facts/fact-change.ts";
import type { NamespaceFact } from "../facts/namespace.ts";
import type { PodFact } from "../facts/pod.ts";
import type { ProfileFact } from "../facts/policy-group.ts";
import { type FactStore, recordingReader, strictReader } from "../facts/store.ts";
import { compiledPolicyKey, compilePolicy } from "./compiled-policy.ts";
import { selectsPod } from "./group.ts";
import { portNumbersKey } from "./port-numbers.ts";
import { anchorOf, type Profile, Profiles } from "./profiles.ts";
import { isPolicyKind, POLICY_KINDS, type PolicyKind } from "./translate.ts";
import type { Group } from "./types.ts";

/** A group in use. */
interface UsedGroup {
  readonly group: Group;
  /** `kind/key` of the policies that refer to it. */
  readonly users: Set<string>;
  /** Profiles that are in it; empty for groups that are not of pods. */
  readonly members: Set<Profile>;
}

/** What one policy refers to. */
interface Used {
  readonly kind: PolicyKind;
  readonly key: string;
  readonly groups: readonly string[];
}

/**
 * Compiles the policies, and tracks which groups they name and which pods are in these. Maintains derived facts (`compiledPolicies`, `groups`,
 * `profiles`, `portNumbers`, `policyUse`), synchronously with the change that causes them. Equal selectors are one group, by reference count, and
 * each is evaluated once for each profile, however many pods have that.
 *
 * The result depends only on the facts, not on the order in which they came.
 */
export class GroupIndex {
  readonly #facts: FactStore;
  readonly #profiles = new Profiles();
  /** name → group. */
  readonly #groups = new Map<string, UsedGroup>();
  /** anchor → names of the groups of pods whose selectors are found under it. */
  readonly #byAnchor = new MultiMap<string, string>();
  /** `kind/key` → the groups and names of that policy. */
  readonly #policies = new Map<string, Used>();
  /** The facts that each policy, by `kind/key`, read when it was compiled. */
  readonly #dependents = new Dependents();
  /** Key of `portNumbers` → number → how many profiles have it. */
  readonly #numbers = new Map<string, Map<number, number>>();
  /** Profiles whose fact must be written. */
  readonly #touched = new Set<Profile>();
  /** Profiles for which it is not known whether some group selects them. */
  readonly #unclear = new Set<Profile>();
  #started = false;

  constructor(facts: FactStore) {
    this.#facts = facts;
  }

  /** Processes all facts at once. Nothing is derived before, so no pod has a port yet. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    for (const pod of this.#facts.all("pods")) this.#join(pod);
    for (const kind of POLICY_KINDS) {
      for (const { key } of this.#facts.all(kind)) this.#renew(kind, key);
      // One that could not be read is a policy too: the database may have its ACLs, and nodes' own rules must stay beside them.
      for (const key of this.#facts.unread(kind)) this.#renew(kind, key);
    }
    this.#finish();
  }

  /** A fact has changed. Call this before units are notified, so that they find the derived facts. */
  noteFact(change: FactChange): void {
    if (!this.#started) return;
    const { kind } = change;
    if (kind === "pods") this.#notePod(change.old as PodFact | undefined, change.new as PodFact | undefined);
    else if (kind === "namespaces") this.#noteNamespace(change.key);
    else if (isPolicyKind(kind)) this.#notePolicy(kind, change);
    else return;
    this.#finish();
  }

  #notePod(old: PodFact | undefined, now: PodFact | undefined): void {
    if (old?.profile === now?.profile) return;
    if (now !== undefined) this.#join(now);
    if (old === undefined) return;
    const gone = this.#profiles.leave(old);
    if (gone === undefined) return;
    for (const name of gone.groups) this.#groups.get(name)?.members.delete(gone);
    gone.groups.clear();
    this.#touched.add(gone);
    this.#count(gone, -1);
  }

  /** Policies with the same priority may change too. */
  #notePolicy(kind: PolicyKind, change: FactChange): void {
    this.#renew(kind, change.key);
    this.#renewReaders(change, compiledPolicyKey(kind, change.key));
  }

  #renewReaders({ touched }: FactChange, except?: string): void {
    const readers = new Set(touched.flatMap((dependency) => this.#dependents.of(dependency)));
    for (const id of readers) {
      const policy = id === except ? undefined : this.#policies.get(id);
      if (policy !== undefined) this.#renew(policy.kind, policy.key);
    }
  }

  #join(pod: PodFact): void {
    const made = this.#profiles.join(pod);
    if (made === undefined) return;
    this.#evaluate(made);
    this.#count(made, 1);
  }

  #noteNamespace(namespace: string): void {
    for (const profile of this.#profiles.inNamespace(namespace)) this.#evaluate(profile);
  }

  /** Evaluates all selectors that may select a profile. */
  #evaluate(profile: Profile): void {
    this.#touched.add(profile);
    const namespace = this.#facts.get("namespaces", profile.namespace);
    const found = new Set<string>();
    for (const anchor of namespace === undefined ? [] : profile.anchors) {
      for (const name of this.#byAnchor.get(anchor)) {
        if (namespace !== undefined && this.#selects(name, profile, namespace)) found.add(name);
      }
    }
    for (const name of profile.groups) {
      if (found.has(name)) continue;
      profile.groups.delete(name);
      this.#groups.get(name)?.members.delete(profile);
    }
    for (const name of found) {
      profile.groups.add(name);
      this.#groups.get(name)?.members.add(profile);
    }
  }

  /**
   * Whether a group selects a profile. If the evaluation throws, the former result stays; without one, the pods are not treated as free of policies.
   */
  #selects(name: string, profile: Profile, namespace: NamespaceFact): boolean {
    const group = this.#groups.get(name)?.group;
    if (group?.kind !== "pods") return false;
    const subject = { part: "derived fact", where: "groups", kind: "groups", key: `${name} ${profile.key}` } as const;
    try {
      const selects = selectsPod(group.selector, profile, namespace);
      this.#facts.failures.succeeded(subject);
      return selects;
    } catch (error) {
      this.#unclear.add(profile);
      this.#facts.failures.failed(subject, error, () => {
        this.#unclear.delete(profile);
        this.#evaluate(profile);
        this.#finish();
      });
      return profile.groups.has(name);
    }
  }

  /** Counts the numbers of a profile's named ports up or down. */
  #count(profile: Profile, by: 1 | -1): void {
    for (const port of profile.ports) {
      for (const namespace of [profile.namespace, undefined]) {
        const key = portNumbersKey(port, namespace);
        const numbers = this.#numbers.get(key) ?? new Map<number, number>();
        const count = (numbers.get(port.number) ?? 0) + by;
        if (count > 0) numbers.set(port.number, count);
        else numbers.delete(port.number);
        if (numbers.size > 0) this.#numbers.set(key, numbers);
        else this.#numbers.delete(key);
        const sorted = [...numbers.keys()].sort((a, b) => a - b);
        const changed = this.#facts.set("portNumbers", key, sorted.length > 0 ? { key, numbers: sorted } : undefined);
        if (changed !== undefined) this.#renewReaders(changed);
      }
    }
  }

  /** A policy, or a fact that it reads, has been added, changed or removed: compiles it and finds its groups again. */
  #renew(kind: PolicyKind, key: string): void {
    const id = compiledPolicyKey(kind, key);
    const before = this.#policies.get(id);
    const dependencies: Dependency[] = [];
    let compiled: ReturnType<typeof compilePolicy>;
    const subject = { part: "derived fact", where: "policies", kind, key } as const;
    try {
      compiled = compilePolicy(recordingReader(strictReader(this.#facts), dependencies), kind, key);
    } catch (error) {
      // It keeps its groups and ACLs; if it has none yet, it must not be treated as a policy without any.
      this.#dependents.set(id, dependencies);
      this.#policies.set(id, { kind, key, groups: before?.groups ?? [] });
      this.#facts.setUnread("compiledPolicies", id, true);
      this.#facts.failures.failed(subject, error, () => {
        this.#renew(kind, key);
        this.#finish();
      });
      return;
    }
    this.#facts.failures.succeeded(subject);
    const wanted = compiled?.groups ?? new Map<string, Group>();
    if (compiled === undefined) {
      dependencies.length = 0;
      this.#policies.delete(id);
    } else this.#policies.set(id, { kind, key, groups: [...wanted.keys()] });
    this.#dependents.set(id, dependencies);
    this.#facts.set("compiledPolicies", id, compiled?.fact);
    for (const [name, group] of wanted) this.#use(name, group, id);
    for (const name of before?.groups ?? []) if (!wanted.has(name)) this.#disuse(name, id);
  }

  #use(name: string, group: Group, user: string): void {
    const known = this.#groups.get(name);
    if (known !== undefined) {
      known.users.add(user);
      return;
    }
    const members = new Set<Profile>();
    this.#groups.set(name, { group, users: new Set([user]), members });
    this.#facts.set("groups", name, { key: name, group });
    if (group.kind !== "pods") return;
    this.#byAnchor.add(anchorOf(group.selector), name);
    for (const profile of this.#profiles.under(anchorOf(group.selector))) {
      const namespace = this.#facts.get("namespaces", profile.namespace);
      if (namespace === undefined || !this.#selects(name, profile, namespace)) continue;
      members.add(profile);
      profile.groups.add(name);
      this.#touched.add(profile);
    }
  }

  #disuse(name: string, user: string): void {
    const used = this.#groups.get(name);
    if (used === undefined || !used.users.delete(user) || used.users.size > 0) return;
    this.#groups.delete(name);
    this.#facts.set("groups", name, undefined);
    if (used.group.kind === "pods") this.#byAnchor.delete(anchorOf(used.group.selector), name);
    for (const profile of used.members) {
      profile.groups.delete(name);
      this.#touched.add(profile);
    }
  }

  #factOf({ key, groups }: Profile): ProfileFact {
    const limited = [...groups].flatMap((name) => {
      const group = this.#groups.get(name)?.group;
      return group?.kind === "pods" && group.selector.providers !== undefined
        ? [[name, group.selector.providers] as const]
        : [];
    });
    const sorted = { key, groups: [...groups].sort() };
    return limited.length === 0 ? sorted : { ...sorted, limited: Object.fromEntries(limited) };
  }

  /** Writes changed facts. A profile whose namespace is not known has no fact: the policies of its pods are not known. */
  #finish(): void {
    for (const profile of this.#touched) {
      if (this.#unclear.has(profile) && profile.pods.size > 0) {
        // The former fact stays.
        this.#facts.setUnread("profiles", profile.key, true);
        continue;
      }
      this.#unclear.delete(profile);
      const known = profile.pods.size > 0 && this.#facts.get("namespaces", profile.namespace) !== undefined;
      const { key } = profile;
      this.#facts.set("profiles", key, known ? this.#factOf(profile) : undefined);
      // If its namespace cannot be read, it stays in its groups.
      if (!known) this.#facts.setUnread("profiles", key, this.#facts.isUnread("namespaces", profile.namespace));
    }
    this.#touched.clear();
    this.#facts.set("policyUse", "cluster", this.#policies.size > 0 ? { key: "cluster", any: true } : undefined);
  }
}
