// SPDX-License-Identifier: Apache-2.0

import { manifestDocuments } from "../api/manifest-documents.ts";
import { isObject } from "../collections/plain.ts";
import { projectAdminPolicy } from "../facts/project-admin-policy.ts";
import { projectNetworkPolicy } from "../facts/project-policy.ts";
import { projectSecurityGroup } from "../facts/project-security-group.ts";
import type { FactTypes } from "../facts/types.ts";
import type { PolicyKind } from "../policy/policy-kinds.ts";
import { notFound, PageError } from "./page-error.ts";

/** A policy of a plan. */
export interface PlannedPolicy {
  readonly kind: PlannedKind;
  /** Of that kind. */
  readonly fact: FactTypes[PlannedKind];
  /** `NetworkPolicy shop/web`, for messages. */
  readonly label: string;
}

/** The kinds of facts that can be planned. */
export type PlannedKind = PolicyKind | "securityGroups";

/** For whom a manifest is read. */
export interface PlanReader {
  /** Of policies without one. */
  readonly namespace: string;
  readonly maySee: (namespace: string) => boolean;
  /** Whether policies of the cluster may be planned: what they do says something about every namespace. */
  readonly seesCluster: boolean;
}

/** The policies of one manifest. */
const MAX_POLICIES = 50;
/** Its documents, with empty ones. */
const MAX_DOCUMENTS = 1_000;

/** Names of Kubernetes: RFC 1123 subdomains. */
const NAME = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;

interface ReadObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid: string;
    readonly annotations: Readonly<Record<string, string>>;
  };
  readonly spec: object;
}

interface Planned {
  readonly kind: PlannedKind;
  /** Lists in its spec. */
  readonly lists: readonly string[];
  /** Throws where a part has a type that the API server would refuse. */
  readonly project: (object: ReadObject) => FactTypes[PlannedKind];
}

/** `apiVersion kind` → what is read of it. The translation checks every part of a spec, as it does for what the API server has stored. */
const KINDS: ReadonlyMap<string, Planned> = new Map<string, Planned>([
  [
    "networking.k8s.io/v1 NetworkPolicy",
    {
      kind: "networkPolicies",
      lists: ["ingress", "egress", "policyTypes"],
      project: ({ metadata: { namespace = "", ...metadata }, spec }) =>
        projectNetworkPolicy({ metadata: { ...metadata, namespace }, spec }),
    },
  ],
  [
    "policy.networking.k8s.io/v1alpha1 AdminNetworkPolicy",
    {
      kind: "adminNetworkPolicies",
      lists: ["ingress", "egress"],
      project: (object) => projectAdminPolicy("anp", object),
    },
  ],
  [
    "policy.networking.k8s.io/v1alpha1 BaselineAdminNetworkPolicy",
    {
      kind: "baselineAdminNetworkPolicies",
      lists: ["ingress", "egress"],
      project: (object) => projectAdminPolicy("banp", object),
    },
  ],
  [
    "policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy",
    {
      kind: "clusterNetworkPolicies",
      lists: ["ingress", "egress"],
      project: (object) => projectAdminPolicy("cnp", object),
    },
  ],
  [
    "kubeovn.io/v1 SecurityGroup",
    { kind: "securityGroups", lists: ["ingressRules", "egressRules"], project: projectSecurityGroup },
  ],
]);

/** The policies of a manifest, YAML or JSON. Throws a `PageError` that names the line, and for what the reader may not see. */
export function policiesIn(manifest: string, reader: PlanReader): readonly PlannedPolicy[] {
  const policies: PlannedPolicy[] = [];
  let documents = 0;
  for (const document of manifestDocuments(manifest)) {
    if (++documents > MAX_DOCUMENTS)
      throw new PageError("invalid", `a manifest has at most ${MAX_DOCUMENTS} documents`);
    if ("problem" in document) throw new PageError("invalid", document.problem);
    const { line, value } = document;
    if (value === null) continue;
    if (policies.length >= MAX_POLICIES) throw new PageError("invalid", `a plan has at most ${MAX_POLICIES} policies`);
    policies.push(policyIn(value, `line ${line}`, reader));
  }
  if (policies.length === 0) throw new PageError("invalid", "the manifest has no policy");
  return policies;
}

function policyIn(value: unknown, where: string, { namespace: usual, maySee, seesCluster }: PlanReader): PlannedPolicy {
  const { apiVersion, kind: named, metadata: given, spec = {} } = isObject(value) ? value : {};
  const planned =
    typeof apiVersion === "string" && typeof named === "string" ? KINDS.get(`${apiVersion} ${named}`) : undefined;
  if (planned === undefined)
    throw new PageError(
      "invalid",
      `${where}: expected one of ${[...KINDS.keys()].join(", ")}; weftctl plan takes other kinds`,
    );
  const { kind, lists, project } = planned;
  const { name, namespace = usual, annotations } = isObject(given) ? given : {};
  if (typeof name !== "string" || !NAME.test(name))
    throw new PageError("invalid", `${where}: metadata.name is missing or no name`);
  const isNamespaced = kind === "networkPolicies";
  if (isNamespaced && (typeof namespace !== "string" || !NAME.test(namespace)))
    throw new PageError("invalid", `${where}: metadata.namespace is no name`);
  if (isNamespaced && !maySee(String(namespace))) throw notFound(`namespace ${namespace}`);
  if (!isNamespaced && !seesCluster)
    throw new PageError(
      "forbidden",
      `${where}: a ${named} is planned by accounts that may list pods in all namespaces`,
    );
  if (!isObject(spec)) throw new PageError("invalid", `${where}: spec is to be an object`);
  for (const list of lists)
    if (spec[list] !== undefined && spec[list] !== null && !Array.isArray(spec[list]))
      throw new PageError("invalid", `${where}: spec.${list} is to be a list`);
  const texts = isObject(annotations) ? Object.entries(annotations).filter(([, text]) => typeof text === "string") : [];
  const key = isNamespaced ? `${namespace}/${name}` : name;
  const metadata = {
    ...{ name, uid: `planned ${key}`, annotations: Object.fromEntries(texts) as Record<string, string> },
    ...(isNamespaced && { namespace: String(namespace) }),
  };
  try {
    return { kind, fact: project({ metadata, spec }), label: `${named} ${key}` };
  } catch (cause) {
    throw new PageError("invalid", `${where}: its spec is malformed: ${String(cause)}`, { cause });
  }
}
