// SPDX-License-Identifier: Apache-2.0

/** The known addresses of a DNS name; derived, see `src/controller/domains`. */
export interface DomainFact {
  /** The name in lower case, without a dot at the end; `*.example.com` for every name below. */
  readonly key: string;
  /** Sorted. */
  readonly v4: readonly string[];
  /** Sorted. */
  readonly v6: readonly string[];
}

/** The problem of a DNS name in a policy; derived. No fact: no problem. */
export interface DomainStateFact {
  readonly key: string;
  /** One CamelCase word. */
  readonly reason: string;
  /** A message. */
  readonly message: string;
}

/** One DNSNameResolver (Kube-OVN's copy of OpenShift's): the addresses that a plugin of CoreDNS has seen for a name. */
export interface NameResolverFact {
  readonly key: string;
  readonly name: string;
  readonly uid: string;
  /** The name, as in {@link DomainFact}. */
  readonly domain: string;
  /** The policy for which it was created; "" if a user created it. */
  readonly policy: string;
  /** Sorted. */
  readonly v4: readonly string[];
  /** Sorted. */
  readonly v6: readonly string[];
}
