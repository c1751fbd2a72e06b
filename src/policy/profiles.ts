// SPDX-License-Identifier: Apache-2.0

import type { NamedPortFact, PodFact } from "../facts/pod.ts";
import { profileKey } from "../facts/policy-group.ts";
import type { PodSelector } from "./types.ts";

/** Pods that no selector distinguishes, in one VPC: one namespace, the same labels, the same named ports. */
export interface Profile {
  readonly key: string;
  /** A custom VPC; `undefined` is the default VPC. */
  readonly vpc: string | undefined;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly NamedPortFact[];
  /** The {@link anchorOf anchors} of selectors that may select it. */
  readonly anchors: readonly string[];
  /** Keys of the pods that have it. */
  readonly pods: Set<string>;
  /** The selectors that select it, by the names of their groups in the default VPC. */
  readonly selectors: Set<string>;
}

/**
 * The key under which a selector is indexed: its namespace, and the first label that it requires to be equal to a value. A profile is compared only
 * with the selectors under its own few anchors, and a selector with the profiles under its one anchor, so the cost of a pod does not grow with all
 * policies.
 */
export function anchorOf({ namespace, podSelector }: PodSelector): string {
  const [first] = Object.entries(podSelector.matchLabels ?? {});
  return anchor(namespace, first);
}

function anchorsOf({ namespace, labels }: Pick<PodFact, "namespace" | "labels">): readonly string[] {
  const pairs = [undefined, ...Object.entries(labels)];
  return pairs.flatMap((pair) => [anchor(namespace, pair), anchor(undefined, pair)]);
}

function anchor(namespace: string | undefined, pair: readonly [string, string] | undefined): string {
  return pair === undefined ? (namespace ?? "*") : `${namespace ?? "*"}\0${pair[0]}=${pair[1]}`;
}

/** All profiles, indexed by key, anchor and namespace. */
export class Profiles {
  readonly #byKey = new Map<string, Profile>();
  /** anchor → the profiles under it. */
  readonly #byAnchor = new Map<string, Set<Profile>>();

  /** The profiles that a selector under this anchor may select. */
  under(anchor: string): Iterable<Profile> {
    return this.#byAnchor.get(anchor) ?? [];
  }

  /** The profiles of one namespace. */
  inNamespace(namespace: string): Iterable<Profile> {
    return this.under(namespace);
  }

  /** Adds a pod in a VPC. Returns its profile if the pod is the first one that has it. */
  join(pod: PodFact, vpc: string | undefined): Profile | undefined {
    const key = profileKey(pod.profile, vpc);
    const known = this.#byKey.get(key);
    if (known !== undefined) {
      known.pods.add(pod.key);
      return undefined;
    }
    const { namespace, labels, ports } = pod;
    const made: Profile = {
      key,
      vpc,
      namespace,
      labels,
      ports,
      anchors: anchorsOf(pod),
      pods: new Set([pod.key]),
      selectors: new Set(),
    };
    this.#byKey.set(key, made);
    for (const anchor of made.anchors) {
      const others = this.#byAnchor.get(anchor);
      if (others === undefined) this.#byAnchor.set(anchor, new Set([made]));
      else others.add(made);
    }
    return made;
  }

  /** Removes a pod from a VPC. Returns its profile if the pod was the last one that had it. */
  leave(pod: PodFact, vpc: string | undefined): Profile | undefined {
    const profile = this.#byKey.get(profileKey(pod.profile, vpc));
    if (profile === undefined || !profile.pods.delete(pod.key) || profile.pods.size > 0) return undefined;
    this.#byKey.delete(profile.key);
    for (const anchor of profile.anchors) {
      const others = this.#byAnchor.get(anchor);
      if (others?.delete(profile) && others.size === 0) this.#byAnchor.delete(anchor);
    }
    return profile;
  }
}
