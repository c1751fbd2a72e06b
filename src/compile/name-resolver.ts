// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import type { UnitKind } from "../desired/unit-kind.ts";
import type { AdminPolicyFact } from "../facts/admin-policy.ts";
import type { NameResolverFact } from "../facts/domain.ts";
import { canonicalDomain } from "../facts/project-name-resolver.ts";
import type { FactReader } from "../facts/store.ts";
import type { PolicyProblem } from "../policy/types.ts";
import type { MakeResolverEffect, WeftEffect } from "./effects.ts";
import { FragmentBuilder } from "./fragment-builder.ts";

/** The pattern of `DNSNameResolver.spec.name` in its CRD. */
const RESOLVABLE = /^(\*\.)?([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.){2,}$/;

/** The domain names in the rules of a policy, in their canonical form. */
function domainsOf({ egress }: AdminPolicyFact): ReadonlySet<string> {
  return new Set(egress.flatMap(({ peers }) => peers.flatMap((peer) => (peer.domainNames ?? []).map(canonicalDomain))));
}

/** The name that Kube-OVN gives the DNSNameResolver of a policy and a domain. */
function resolverName({ kind, name }: Pick<AdminPolicyFact, "kind" | "name">, domain: string): string {
  const policy = policyLabel(kind, name);
  return `anp-${policy}-${createHash("sha256").update(`${domain}.`).digest("hex").slice(0, 8)}`;
}

/** Kube-OVN's name of a policy: names of port groups begin with a letter. */
function policyLabel(kind: "anp" | "banp" | "cnp", name: string): string {
  return /^[a-z]/i.test(name) ? name : `${kind}${name}`;
}

/**
 * The missing DNSNameResolvers for a policy's domain names; a plugin of CoreDNS, if installed, writes into
 * their status the addresses that pods' queries resolve to. None if the cluster does not serve the type.
 */
export function wantedResolvers(reader: FactReader, policy: AdminPolicyFact): readonly MakeResolverEffect[] {
  if (policy.kind === "banp") return [];
  const domains = domainsOf(policy);
  if (domains.size === 0 || reader.get("served", "nameResolvers") === undefined) return [];
  return [...domains].flatMap((domain) => {
    const name = resolverName(policy, domain);
    const made = reader.get("nameResolvers", name) !== undefined;
    if (made || !RESOLVABLE.test(`${domain}.`)) return [];
    const label = policyLabel(policy.kind, policy.name);
    return { kind: "make-resolver" as const, key: `make-resolver/${name}`, name, policy: label, domain: `${domain}.` };
  });
}

/** Problems of the domain names of a policy, because of which they may match less than specified. */
export function domainProblems(reader: FactReader, domains: Iterable<string>): readonly PolicyProblem[] {
  return [...domains].flatMap((domain) => {
    const path = `domain ${domain}`;
    const seen = reader.by("nameResolvers", "domain", domain).some(({ v4, v6 }) => v4.length + v6.length > 0);
    if (domain.startsWith("*.")) {
      const message =
        "a DNS server cannot list the names below a domain; the rule matches names that DNSNameResolvers have recorded from pods' queries, and none is recorded yet";
      return seen ? [] : [{ path, reason: "WildcardNotResolved", message }];
    }
    const state = reader.get("domainStates", domain);
    return state === undefined || (seen && state.reason === "DomainNotFound") ? [] : [{ path, ...problemOf(state) }];
  });
}

function problemOf({
  reason,
  message,
}: {
  readonly reason: string;
  readonly message: string;
}): Omit<PolicyProblem, "path"> {
  return { reason, message };
}

interface ResolverInput {
  readonly resolver: NameResolverFact;
  /** Whether a policy uses its domain name. */
  readonly wanted: boolean;
}

/** A DNSNameResolver that was created for a policy: deleted when the policy no longer needs it. */
export const nameResolverUnit: UnitKind<FactReader, ResolverInput, WeftEffect> = {
  name: "nameresolver",
  priority: 5,

  read(reader, key) {
    const resolver = reader.get("nameResolvers", key);
    // Users may create their own.
    if (resolver === undefined || resolver.policy === "" || !key.startsWith("anp-")) return undefined;
    const { policy, domain } = resolver;
    const wanted = (["anp", "cnp"] as const).some((kind) => {
      const names = policy.startsWith(kind) ? [policy, policy.slice(3)] : [policy];
      return names.some((name) => {
        const fact = reader.get(kind === "anp" ? "adminNetworkPolicies" : "clusterNetworkPolicies", name);
        return fact !== undefined && resolverName(fact, domain) === key && domainsOf(fact).has(domain);
      });
    });
    return { resolver, wanted };
  },

  compile({ resolver: { name, uid }, wanted }) {
    const effects = wanted ? [] : [{ kind: "drop-resolver" as const, key: `drop-resolver/${name}`, name, uid }];
    return new FragmentBuilder().finish(effects);
  },
};
