// SPDX-License-Identifier: Apache-2.0

import type { FactReader } from "../facts/store.ts";
import { type AclSpec, compileAcls } from "./acl.ts";
import type { NumbersOf } from "./acl-match.ts";
import { podVpcs } from "./pod-vpcs.ts";
import { acceptedPolicy, type PolicyKind } from "./policy-kinds.ts";
import { portNumbers } from "./port-numbers.ts";
import type { Group, PolicyProblem } from "./types.ts";

/** A policy as ACLs; derived, once for each policy, by the {@link import("./group-index.ts").GroupIndex}. */
export interface CompiledPolicyFact {
  /** See {@link compiledPolicyKey}. */
  readonly key: string;
  /** The owner of its rows, see `Policy.id`. */
  readonly id: string;
  readonly acls: readonly AclSpec[];
  readonly problems: readonly PolicyProblem[];
  /** The DNS names that it refers to. */
  readonly domains: readonly string[];
}

declare module "../facts/types.ts" {
  interface DerivedFactTypes {
    readonly compiledPolicies: CompiledPolicyFact;
  }
}

/** The key of the fact `compiledPolicies` of one policy. */
export function compiledPolicyKey(kind: PolicyKind, key: string): string {
  return `${kind}/${key}`;
}

/** Compiles a policy to ACLs and the groups that they name; undefined if the policy does not exist. A pure function of the facts that it reads. */
export function compilePolicy(
  reader: FactReader,
  kind: PolicyKind,
  key: string,
): { readonly fact: CompiledPolicyFact; readonly groups: ReadonlyMap<string, Group> } | undefined {
  const policy = acceptedPolicy(reader, kind, key);
  if (policy === undefined) return undefined;
  const ports = new PortsAsked();
  const numbersOf: NumbersOf = (port, pods) => {
    const numbers = portNumbers(reader, port, pods);
    ports.note(port, pods.namespace, numbers.length > 0);
    return numbers;
  };
  const bySource = reader.get("cluster", "cluster")?.kubeProxyReplacement === true;
  const { acls, groups } = compileAcls(policy, numbersOf, podVpcs(reader), bySource);
  const domains = [...groups.values()].flatMap((group) => (group.kind === "domain" ? [group.domain] : []));
  const problems = [...policy.problems, ...ports.problems()];
  return { fact: { key: compiledPolicyKey(kind, key), id: policy.id, acls, problems, domains }, groups };
}

/** The named ports of a policy. A name may be used with several protocols, and needs a pod in one of them. */
class PortsAsked {
  /** namespace and name → the protocols, and whether any pod has the port. */
  readonly #asked = new Map<string, { readonly text: string; readonly protocols: Set<string>; known: boolean }>();

  note({ protocol, name }: { readonly protocol: string; readonly name: string }, namespace = "", known: boolean): void {
    const key = `${namespace}/${name}`;
    const where = namespace === "" ? "" : ` in namespace ${namespace}`;
    const entry = this.#asked.get(key) ?? {
      text: `no pod${where} has a container port named ${name}`,
      protocols: new Set(),
      known,
    };
    entry.protocols.add(protocol);
    entry.known ||= known;
    this.#asked.set(key, entry);
  }

  problems(): readonly PolicyProblem[] {
    return [...this.#asked].flatMap(([key, { text, protocols, known }]) => {
      const message = `${text} (${[...protocols].join(", ")}); it matches nothing until a container has it`;
      return known ? [] : [{ path: `port ${key.slice(key.indexOf("/") + 1)}`, reason: "UnknownPortName", message }];
    });
  }
}
