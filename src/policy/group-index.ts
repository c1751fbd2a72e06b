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
import { groupName, selectorInVpc } from "./group.ts";
import { NodeSources } from "./node-sources.ts";
import { selectsPod } from "./pod-selection.ts";
import { customVpcsOf, podsConcerned } from "./pod-vpcs.ts";
import { isPolicyKind, POLICY_KINDS, type PolicyKind } from "./policy-kinds.ts";
import { portNumbersKey } from "./port-numbers.ts";
import { anchorOf, type Profile, Profiles } from "./profiles.ts";
import type { Group, PodSelector } from "./types.ts";

/** A group in use. */
interface UsedGroup {
  readonly group: Group;
  /** `kind/key` of the policies that refer to it. */
  readonly users: Set<string>;
}

/** A selector of pods of a group in use, in any VPC. */
interface UsedSelector {
  /** Without a VPC. */
  readonly selector: PodSelector;
  /** VPC → name of the group in use. */
  readonly groups: Map<Profile["vpc"], string>;
  /** VPC → the profiles that it selects there. */
  readonly members: Map<Profile["vpc"], Set<Profile>>;
}

/** What a pod is in. */
interface Joined {
  readonly pod: PodFact;
  readonly vpcs: readonly Profile["vpc"][];
}

/** What one policy refers to. */
interface Used {
  readonly kind: PolicyKind;
  readonly key: string;
  readonly groups: readonly string[];
}

/**
 * Compiles the policies, and tracks which groups they name and which pods are in these. Maintains derived facts (`compiledPolicies`, `groups`,
 * `groupVpcs`, `profiles`, `portNumbers`, `policyUse`), synchronously with the change that causes them. Equal selectors are one group, by reference
 * count, and each is evaluated once for each profile, however many pods have that.
 *
 * A pod counts in the default VPC from the moment that it is known, which is harmless if it has no port there, and in a custom VPC while it has an
 * address there. So a policy has its ACLs for a VPC before the first port of a subject there can be made.
 *
 * The result depends only on the facts, not on the order in which they came.
 */
export class GroupIndex {
  readonly #facts: FactStore;
  readonly #sources: NodeSources;
  readonly #profiles = new Profiles();
  /** name → group. */
  readonly #groups = new Map<string, UsedGroup>();
  /** Name of its group in the default VPC → selector. */
  readonly #selectors = new Map<string, UsedSelector>();
  /** anchor → the selectors, by name, that are found under it. */
  readonly #byAnchor = new MultiMap<string, string>();
  /** `kind/key` → the groups and names of that policy. */
  readonly #policies = new Map<string, Used>();
  /** The facts that each policy, by `kind/key`, read when it was compiled. */
  readonly #dependents = new Dependents();
  /** Key of `portNumbers` → number → how many profiles have it. */
  readonly #numbers = new Map<string, Map<number, number>>();
  /** Pods and what they are in, by key. */
  readonly #pods = new Map<string, Joined>();
  /** Profiles whose fact must be written. */
  readonly #touched = new Set<Profile>();
  /** Selectors, by name, whose fact `groupVpcs` must be written. */
  readonly #moved = new Set<string>();
  /** Profiles for which it is not known whether some group selects them. */
  readonly #unclear = new Set<Profile>();
  #started = false;

  constructor(facts: FactStore) {
    this.#facts = facts;
    this.#sources = new NodeSources(facts);
  }

  /** Processes all facts at once. Nothing is derived before, so no pod has a port yet. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    for (const pod of this.#facts.all("pods")) this.#settlePod(pod.key);
    for (const kind of POLICY_KINDS) {
      for (const { key } of this.#facts.all(kind)) this.#renew(kind, key);
      // An unreadable policy counts too: the database may have its ACLs, and the rules of nodes must stay with them.
      for (const key of this.#facts.unread(kind)) this.#renew(kind, key);
    }
    this.#finish();
  }

  /** A fact has changed. Call this before units are notified, so that they find the derived facts. */
  noteFact(change: FactChange): void {
    if (!this.#started) return;
    const { kind } = change;
    if (kind === "pods" || kind === "ips" || kind === "subnets") {
      for (const key of podsConcerned(this.#facts, change)) this.#settlePod(key);
    } else if (kind === "namespaces") this.#noteNamespace(change.key);
    else if (kind === "vpcPeers") this.#renewReaders(change);
    else if (isPolicyKind(kind)) this.#notePolicy(kind, change);
    else if (kind === "nodes") this.#sources.noteNode(change);
    else return;
    this.#finish();
  }

  /** A pod was added, changed or deleted, or may be in other VPCs. */
  #settlePod(key: string): void {
    const pod = this.#facts.get("pods", key);
    const old = this.#pods.get(key);
    const vpcs = pod === undefined ? [] : [undefined, ...customVpcsOf(this.#facts, pod)];
    const stays = pod !== undefined && old?.pod.profile === pod.profile;
    if (pod === undefined) this.#pods.delete(key);
    else this.#pods.set(key, { pod, vpcs });
    for (const vpc of vpcs) if (pod !== undefined && !(stays && old?.vpcs.includes(vpc))) this.#join(pod, vpc);
    for (const vpc of old?.vpcs ?? [])
      if (old !== undefined && !(stays && vpcs.includes(vpc))) this.#leave(old.pod, vpc);
  }

  #leave(pod: PodFact, vpc: Profile["vpc"]): void {
    const gone = this.#profiles.leave(pod, vpc);
    if (gone === undefined) return;
    for (const name of [...gone.selectors]) this.#unselect(name, gone);
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

  #join(pod: PodFact, vpc: Profile["vpc"]): void {
    const made = this.#profiles.join(pod, vpc);
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
    for (const name of [...profile.selectors]) if (!found.has(name)) this.#unselect(name, profile);
    for (const name of found) this.#select(name, profile);
  }

  #select(name: string, profile: Profile): void {
    const used = this.#selectors.get(name);
    if (used === undefined) return;
    profile.selectors.add(name);
    const members = used.members.get(profile.vpc);
    if (members === undefined) {
      used.members.set(profile.vpc, new Set([profile]));
      this.#moved.add(name);
    } else members.add(profile);
  }

  #unselect(name: string, profile: Profile): void {
    profile.selectors.delete(name);
    const members = this.#selectors.get(name)?.members;
    const there = members?.get(profile.vpc);
    if (there?.delete(profile) !== true || there.size > 0) return;
    members?.delete(profile.vpc);
    this.#moved.add(name);
  }

  /**
   * Whether a selector selects a profile. If the evaluation throws, the former result stays; without one, the pods are not treated as free of
   * policies.
   */
  #selects(name: string, profile: Profile, namespace: NamespaceFact): boolean {
    const selector = this.#selectors.get(name)?.selector;
    if (selector === undefined) return false;
    const subject = { part: "derived fact", where: "groups", kind: "groups", key: `${name} ${profile.key}` } as const;
    try {
      const selects = selectsPod(selector, profile, namespace);
      this.#facts.failures.succeeded(subject);
      return selects;
    } catch (error) {
      this.#unclear.add(profile);
      this.#facts.failures.failed(subject, error, () => {
        this.#unclear.delete(profile);
        this.#evaluate(profile);
        this.#finish();
      });
      return profile.selectors.has(name);
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
    this.#groups.set(name, { group, users: new Set([user]) });
    this.#facts.set("groups", name, { key: name, group });
    if (group.kind === "sources") this.#sources.add(name, group);
    if (group.kind !== "pods") return;
    const { vpc } = group.selector;
    const used = this.#usedSelector(group.selector);
    used.groups.set(vpc, name);
    for (const profile of used.members.get(vpc) ?? []) this.#touched.add(profile);
  }

  #usedSelector(inOneVpc: PodSelector): UsedSelector {
    const selector = selectorInVpc(inOneVpc, undefined);
    const name = groupName({ kind: "pods", selector });
    const known = this.#selectors.get(name);
    if (known !== undefined) return known;
    const made: UsedSelector = { selector, groups: new Map(), members: new Map() };
    this.#selectors.set(name, made);
    this.#byAnchor.add(anchorOf(selector), name);
    for (const profile of this.#profiles.under(anchorOf(selector))) {
      const namespace = this.#facts.get("namespaces", profile.namespace);
      if (namespace !== undefined && this.#selects(name, profile, namespace)) this.#select(name, profile);
    }
    return made;
  }

  #disuse(name: string, user: string): void {
    const used = this.#groups.get(name);
    if (used === undefined || !used.users.delete(user) || used.users.size > 0) return;
    const { group } = used;
    this.#groups.delete(name);
    this.#facts.set("groups", name, undefined);
    if (group.kind === "sources") this.#sources.remove(name);
    if (group.kind !== "pods") return;
    const { vpc, ...selector } = group.selector;
    const base = groupName({ kind: "pods", selector });
    const { groups, members } = this.#selectors.get(base) ?? {};
    groups?.delete(vpc);
    for (const profile of members?.get(vpc) ?? []) this.#touched.add(profile);
    if (groups === undefined || groups.size > 0) return;
    this.#selectors.delete(base);
    this.#byAnchor.delete(anchorOf(selector), base);
    this.#moved.add(base);
    for (const profiles of members?.values() ?? []) for (const profile of profiles) profile.selectors.delete(base);
  }

  #factOf({ key, vpc, selectors }: Profile): ProfileFact {
    const found = [...selectors].flatMap((base) => {
      const used = this.#selectors.get(base);
      const name = used?.groups.get(vpc);
      return used === undefined || name === undefined ? [] : [[name, used.selector.providers] as const];
    });
    const limited = found.flatMap(([name, providers]) => (providers === undefined ? [] : [[name, providers] as const]));
    const sorted = { key, groups: found.map(([name]) => name).sort() };
    return limited.length === 0 ? sorted : { ...sorted, limited: Object.fromEntries(limited) };
  }

  /** Writes the facts `groupVpcs`, and compiles the policies again that have read them; these have the same selectors as before. */
  #writeVpcs(): void {
    for (const name of this.#moved) {
      this.#moved.delete(name);
      const custom = [...(this.#selectors.get(name)?.members.keys() ?? [])].filter((vpc) => vpc !== undefined);
      const fact = custom.length === 0 ? undefined : { key: name, vpcs: custom.sort() };
      const changed = this.#facts.set("groupVpcs", name, fact);
      if (changed !== undefined) this.#renewReaders(changed);
    }
  }

  /** Writes changed facts. A profile whose namespace is not known has no fact: the policies of its pods are not known. */
  #finish(): void {
    this.#writeVpcs();
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
