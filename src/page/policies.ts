// SPDX-License-Identifier: Apache-2.0

import { stringify } from "yaml";
import { OVN_PROVIDER } from "../api/annotations.ts";
import type { PodFact } from "../facts/pod.ts";
import type { SecurityGroupFact } from "../facts/security-group.ts";
import type { FactReader } from "../facts/store.ts";
import { POLICY_KINDS } from "../policy/policy-kinds.ts";
import type { Policy } from "../policy/types.ts";
import { type PolicyIndex, rulePath, ruleText } from "../reachability/policy-index.ts";
import { type ConditionsOf, healthOf } from "./conditions.ts";
import type { EventRow, Health, Page, PolicyDetail, PolicyName, PolicyRow, ShownRule } from "./contract.ts";
import { notFound } from "./page-error.ts";
import { matchesText, type PageQuestion, pageOf } from "./pages.ts";
import { securityGroupsOf } from "./pods.ts";
import { policyFacts, policyKindOf } from "./policy-names.ts";
import { type Viewer, visiblePods } from "./viewer.ts";

/** Which policies are asked for. */
export interface PoliciesQuestion extends PageQuestion {
  readonly namespace?: string;
  /** Part of the name. */
  readonly query?: string;
}

/** The members of a policy that are listed. */
const MEMBERS = 200;

/** What the answers about policies are made from. */
export interface PolicySource {
  readonly facts: FactReader;
  readonly book: PolicyIndex;
  readonly conditionsOf: ConditionsOf;
}

/** The policies that the viewer sees: NetworkPolicies of their namespaces, and those of the cluster if they see all namespaces. Throws a `PageError`. */
export function policiesPage(source: PolicySource, viewer: Viewer, question: PoliciesQuestion): Page<PolicyRow> {
  const { namespace, query = "" } = question;
  const text = query.toLowerCase();
  const names = visiblePolicies(source.facts, viewer).filter(
    (one) =>
      (namespace === undefined || one.namespace === namespace) && (text === "" || matchesText(text, textOf(one))),
  );
  const members = new Members(source, viewer);
  return pageOf(names, textOf, (name) => policyRow(source, members, name), question);
}

/** The names of the policies that the viewer sees, in the order of `textOf`. */
export function visiblePolicies(facts: FactReader, viewer: Viewer): readonly PolicyName[] {
  const names: PolicyName[] = [];
  for (const kind of POLICY_KINDS) {
    for (const { key } of facts.all(kind)) {
      const slash = key.indexOf("/");
      const name: PolicyName =
        slash < 0
          ? { kind: policyKindOf(kind), name: key }
          : { kind: policyKindOf(kind), namespace: key.slice(0, slash), name: key.slice(slash + 1) };
      if (seesPolicy(viewer, name)) names.push(name);
    }
  }
  if (viewer.sees.allNamespaces)
    for (const { name } of facts.all("securityGroups")) names.push({ kind: "SecurityGroup", name });
  return names
    .map((name) => [textOf(name), name] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, name]) => name);
}

/** Whether the viewer sees a policy. */
export function seesPolicy(viewer: Viewer, { namespace }: PolicyName): boolean {
  return namespace === undefined ? viewer.sees.allNamespaces : viewer.maySee(namespace);
}

/** Whether a policy exists, and the viewer sees it. */
export function visiblePolicy(facts: FactReader, viewer: Viewer, name: PolicyName): boolean {
  const key = name.namespace === undefined ? name.name : `${name.namespace}/${name.name}`;
  return seesPolicy(viewer, name) && facts.get(policyFacts(name.kind) ?? "securityGroups", key) !== undefined;
}

function textOf({ kind, namespace, name }: PolicyName): string {
  return namespace === undefined ? `${kind} ${name}` : `${kind} ${namespace}/${name}`;
}

/** The viewer's pods by the policies that apply to them; computed at first use. */
class Members {
  readonly #source: PolicySource;
  readonly #viewer: Viewer;
  #found: ReadonlyMap<string, readonly PodFact[]> | undefined;

  constructor(source: PolicySource, viewer: Viewer) {
    this.#source = source;
    this.#viewer = viewer;
  }

  of(name: PolicyName): readonly PodFact[] {
    this.#found ??= membersByPolicy(this.#source, this.#viewer);
    return this.#found.get(textOf(name)) ?? [];
  }
}

/** Policies apply to all pods of one profile in one VPC alike, so they are looked up once for each of these. */
function membersByPolicy({ facts, book }: PolicySource, viewer: Viewer): ReadonlyMap<string, readonly PodFact[]> {
  const classes = new Map<string, PodFact[]>();
  const members = new Map<string, PodFact[]>();
  const add = (policy: string, pods: readonly PodFact[]): void => {
    const known = members.get(policy);
    if (known === undefined) members.set(policy, [...pods]);
    else known.push(...pods);
  };
  for (const pod of visiblePods(facts, viewer)) {
    const subnet = facts.by("ips", "holder", pod.holder).find(({ provider }) => provider === OVN_PROVIDER)?.subnet;
    const vpc = subnet === undefined ? "" : (facts.get("subnets", subnet)?.vpc ?? "");
    const key = `${pod.profile} ${vpc}`;
    const known = classes.get(key);
    if (known === undefined) classes.set(key, [pod]);
    else known.push(pod);
    for (const group of securityGroupsOf(pod)) add(textOf({ kind: "SecurityGroup", name: group }), [pod]);
  }
  for (const pods of classes.values()) {
    const [first] = pods;
    if (first === undefined) continue;
    const applying = new Set([...book.applyingTo(first, "ingress"), ...book.applyingTo(first, "egress")]);
    for (const { label } of applying) add(label, pods);
  }
  return members;
}

function policyRow({ facts, book, conditionsOf }: PolicySource, members: Members, name: PolicyName): PolicyRow {
  const pods = members.of(name).length;
  if (name.kind === "SecurityGroup") {
    const group = facts.get("securityGroups", name.name);
    const rules = (direction: "ingress" | "egress"): number =>
      group?.rules.filter((rule) => rule.direction === direction).length ?? 0;
    return {
      ...{ ...name, pods, ingressRules: rules("ingress"), egressRules: rules("egress") },
      isolates: ["ingress", "egress"],
      ...healthOf(conditionsOf("securityGroups", name.name)),
    };
  }
  const policy = book.byLabel(textOf(name));
  const rules = (direction: "ingress" | "egress"): number =>
    new Set(policy?.rules.filter((rule) => rule.direction === direction).map((rule) => rule.name)).size;
  const priority = priorityOf(facts, name);
  return {
    ...{ ...name, pods, ingressRules: rules("ingress"), egressRules: rules("egress") },
    isolates: [...new Set(policy?.isolation.map(({ direction }) => direction))],
    ...(priority !== undefined && { priority }),
    ...policyHealth(policy),
  };
}

function policyHealth(policy: Policy | undefined): { readonly state: Health; readonly problem?: string } {
  if (policy === undefined) return { state: "unknown" };
  const [problem] = policy.problems;
  return problem === undefined ? { state: "ok" } : { state: "warning", problem: `${problem.path}: ${problem.message}` };
}

function priorityOf(facts: FactReader, { kind, name }: PolicyName): number | undefined {
  const of = policyFacts(kind);
  if (of === undefined || of === "networkPolicies") return undefined;
  return facts.get(of, name)?.priority;
}

/** A policy. Throws a `PageError`. */
export function policyDetail(
  source: PolicySource,
  viewer: Viewer,
  name: PolicyName,
  events: readonly EventRow[],
): PolicyDetail {
  const { facts, book } = source;
  const key = name.namespace === undefined ? name.name : `${name.namespace}/${name.name}`;
  const of = policyFacts(name.kind);
  if (!visiblePolicy(facts, viewer, name)) throw notFound(textOf(name));
  const members = new Members(source, viewer);
  const group = of === undefined ? facts.get("securityGroups", key) : undefined;
  const network = of === "networkPolicies" ? facts.get("networkPolicies", key) : undefined;
  return {
    ...policyRow(source, members, name),
    rules: group === undefined ? rulesOf(book.byLabel(textOf(name))) : groupRules(group),
    members: members
      .of(name)
      .slice(0, MEMBERS)
      .map(({ namespace, name: pod }) => ({ namespace, name: pod })),
    ...(network !== undefined && {
      manifest: stringify({
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: { name: network.name, namespace: network.namespace },
        spec: network.spec,
      }),
    }),
    events,
  };
}

const ACTIONS = { "allow-related": "allow", drop: "deny", pass: "pass" } as const;

function rulesOf(policy: Policy | undefined): readonly ShownRule[] {
  return (policy?.rules ?? []).map((rule) => ({
    direction: rule.direction,
    path: rulePath(rule.name),
    action: ACTIONS[rule.action],
    text: ruleText(rule),
  }));
}

function groupRules({ rules }: SecurityGroupFact): readonly ShownRule[] {
  return rules.map(({ direction, index, policy, protocol, remote, ports }) => {
    const what = [protocol ?? "?", ports === undefined || ports === "any" ? "" : `${ports.first}-${ports.last}`];
    const whom = remote === undefined ? "?" : remote.kind === "cidr" ? remote.cidr : `SecurityGroup ${remote.name}`;
    return {
      direction,
      path: `spec.${direction}Rules[${index}]`,
      action: policy === "drop" ? "deny" : (policy ?? "deny"),
      text: `${what.filter(Boolean).join(" ")} ${direction === "ingress" ? "from" : "to"} ${whom}`,
    };
  });
}
