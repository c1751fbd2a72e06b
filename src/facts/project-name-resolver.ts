// SPDX-License-Identifier: Apache-2.0

import { parseIp } from "../net/address.ts";
import type { NameResolverFact } from "./domain.ts";
import type { ProjectedMeta } from "./meta.ts";

/** The label by which Kube-OVN finds the DNSNameResolvers of a policy of any kind. */
export const RESOLVER_POLICY_LABEL = "anp";

/** What {@link projectNameResolver} reads of a kubeovn.io/v1 DNSNameResolver. */
export interface NameResolverObject {
  readonly metadata: ProjectedMeta;
  readonly spec?: { readonly name?: string };
  readonly status?: {
    readonly resolvedNames?: readonly {
      readonly resolvedAddresses?: readonly { readonly ip?: string }[];
    }[];
  };
}

/** A domain name in the form of facts and groups: lower case, no dot at the end. */
export function canonicalDomain(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

/**
 * The fact of a DNSNameResolver: the addresses of all names in it. Those of a name that fails to resolve stay as long as the plugin keeps them: it
 * removes them after some failures, when their TTL has expired.
 */
export function projectNameResolver({ metadata, spec, status }: NameResolverObject): NameResolverFact {
  const found = { v4: new Set<string>(), v6: new Set<string>() };
  for (const { resolvedAddresses = [] } of status?.resolvedNames ?? []) {
    for (const { ip = "" } of resolvedAddresses) {
      const address = parseIp(ip);
      if (address !== undefined) found[address.family === 4 ? "v4" : "v6"].add(address.text);
    }
  }
  return {
    key: metadata.name,
    name: metadata.name,
    uid: metadata.uid,
    domain: canonicalDomain(spec?.name ?? ""),
    policy: metadata.labels?.[RESOLVER_POLICY_LABEL] ?? "",
    v4: [...found.v4].sort(),
    v6: [...found.v6].sort(),
  };
}
