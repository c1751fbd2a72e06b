// SPDX-License-Identifier: Apache-2.0

/** The addresses of a DNS name as far as they are known; derived, see `src/controller/domains`. */
export interface DomainFact {
  /** The name in lower case, without a dot at the end; `*.example.com` for every name below. */
  readonly key: string;
  /** Sorted. */
  readonly v4: readonly string[];
  /** Sorted. */
  readonly v6: readonly string[];
}

/** What is wrong with a DNS name that a policy has; derived. No fact: nothing is. */
export interface DomainStateFact {
  readonly key: string;
  /** One CamelCase word. */
  readonly reason: string;
  /** A sentence. */
  readonly message: string;
}

/** One DNSNameResolver (Kube-OVN's copy of OpenShift's): what a plugin of CoreDNS has seen a name resolve to. */
export interface NameResolverFact {
  readonly key: string;
  readonly name: string;
  readonly uid: string;
  /** The name that it is about, as {@link DomainFact} has it. */
  readonly domain: string;
  /** The policy for which it was made; "" where a user made it. */
  readonly policy: string;
  /** Sorted. */
  readonly v4: readonly string[];
  /** Sorted. */
  readonly v6: readonly string[];
}
