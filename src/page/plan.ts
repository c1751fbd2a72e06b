// SPDX-License-Identifier: Apache-2.0

import { manifestDocuments } from "../api/manifest-documents.ts";
import { isObject } from "../collections/plain.ts";
import type { NetworkPolicyFact, NetworkPolicySpec } from "../facts/network-policy.ts";
import { projectNetworkPolicy } from "../facts/project-policy.ts";
import type { FactStore } from "../facts/store.ts";
import { compileAll } from "../kinds/compile-all.ts";
import { DerivedFacts } from "../kinds/derived.ts";
import { acceptedPolicy } from "../policy/policy-kinds.ts";
import { reachChanges, type Side } from "../reachability/change.ts";
import { Network } from "../reachability/network.ts";
import { PolicyIndex } from "../reachability/policy-index.ts";
import type { PlanAnswer } from "./contract.ts";
import { notFound, PageError } from "./page-error.ts";

/** The policies of one manifest. */
const MAX_POLICIES = 50;
/** Its documents, with empty ones. */
const MAX_DOCUMENTS = 1_000;
const MAX_CHANGES = 500;

/** Names of Kubernetes: RFC 1123 subdomains. */
const NAME = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;

/**
 * The NetworkPolicies of a manifest, YAML or JSON; those without a namespace are of `namespace`. Throws a `PageError` that names the line, and for a namespace that the viewer does not see.
 */
export function policiesIn(
  manifest: string,
  namespace: string,
  maySee: (namespace: string) => boolean,
): readonly NetworkPolicyFact[] {
  const policies: NetworkPolicyFact[] = [];
  let documents = 0;
  for (const document of manifestDocuments(manifest)) {
    if (++documents > MAX_DOCUMENTS)
      throw new PageError("invalid", `a manifest has at most ${MAX_DOCUMENTS} documents`);
    if ("problem" in document) throw new PageError("invalid", document.problem);
    const { line, value } = document;
    if (value === null) continue;
    if (policies.length >= MAX_POLICIES) throw new PageError("invalid", `a plan has at most ${MAX_POLICIES} policies`);
    policies.push(policyIn(value, `line ${line}`, namespace, maySee));
  }
  if (policies.length === 0) throw new PageError("invalid", "the manifest has no NetworkPolicy");
  return policies;
}

function policyIn(
  value: unknown,
  where: string,
  defaultNamespace: string,
  maySee: (namespace: string) => boolean,
): NetworkPolicyFact {
  if (!isObject(value) || value["apiVersion"] !== "networking.k8s.io/v1" || value["kind"] !== "NetworkPolicy")
    throw new PageError(
      "invalid",
      `${where}: expected a NetworkPolicy of networking.k8s.io/v1; weftctl plan takes other kinds`,
    );
  const metadata = isObject(value["metadata"]) ? value["metadata"] : {};
  const { name, namespace = defaultNamespace, annotations } = metadata;
  if (typeof name !== "string" || !NAME.test(name))
    throw new PageError("invalid", `${where}: metadata.name is missing or no name`);
  if (typeof namespace !== "string" || !NAME.test(namespace))
    throw new PageError("invalid", `${where}: metadata.namespace is no name`);
  if (!maySee(namespace)) throw notFound(`namespace ${namespace}`);
  const { spec = {} } = value;
  if (!isObject(spec)) throw new PageError("invalid", `${where}: spec is to be an object`);
  for (const list of ["ingress", "egress", "policyTypes"] as const)
    if (spec[list] !== undefined && spec[list] !== null && !Array.isArray(spec[list]))
      throw new PageError("invalid", `${where}: spec.${list} is to be a list`);
  const texts = isObject(annotations) ? Object.entries(annotations).filter(([, text]) => typeof text === "string") : [];
  return projectNetworkPolicy({
    metadata: {
      name,
      namespace,
      uid: `planned ${namespace}/${name}`,
      annotations: Object.fromEntries(texts) as Record<string, string>,
    },
    // The translation checks every part, as it does for what the API server has stored.
    spec: spec as NetworkPolicySpec,
  });
}

/**
 * Who gains or loses reach by policies, of the pods of some namespaces. `facts`: a copy of the controller's, which is changed. Two compilations of everything: seconds of CPU at 5,000 pods.
 */
export function planAnswer(
  facts: FactStore,
  policies: readonly NetworkPolicyFact[],
  maySee: (namespace: string) => boolean,
): PlanAnswer {
  const derived = new DerivedFacts(facts);
  derived.follow();
  derived.start();
  const before = side(facts);
  const pods = facts.all("pods").filter(({ namespace }) => maySee(namespace));
  const hidden = pods.length < facts.size("pods");
  for (const policy of policies) setPolicy(facts, policy);
  const { changes, totals } = reachChanges(before, side(facts), pods);
  const notes = policies.flatMap(({ key }) =>
    (acceptedPolicy(facts, "networkPolicies", key)?.problems ?? []).map(
      ({ path, message }) => `NetworkPolicy ${key}: ${path}: ${message}`,
    ),
  );
  return {
    changes: changes.slice(0, MAX_CHANGES),
    more: Math.max(0, changes.length - MAX_CHANGES),
    totals,
    notes: [
      ...notes,
      "the API server was not asked whether it accepts this",
      ...(hidden ? ["pods of namespaces that this account may not see are not among the pairs"] : []),
    ],
  };
}

function setPolicy(facts: FactStore, policy: NetworkPolicyFact): void {
  try {
    facts.set("networkPolicies", policy.key, policy);
    acceptedPolicy(facts, "networkPolicies", policy.key);
  } catch (cause) {
    // The API server would refuse it: a list where an object is to be, and the like.
    throw new PageError("invalid", `NetworkPolicy ${policy.key}: its spec is malformed: ${String(cause)}`, { cause });
  }
}

/** What follows from the facts now. It reads policies only while it is made. */
function side(facts: FactStore): Side {
  return { network: new Network(facts, compileAll(facts).values()), book: new PolicyIndex(facts) };
}
