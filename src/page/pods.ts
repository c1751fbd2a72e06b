// SPDX-License-Identifier: Apache-2.0

import { OVN_PROVIDER, podAnnotation } from "../api/annotations.ts";
import { commaList } from "../collections/comma-list.ts";
import type { IpFact } from "../facts/ip.ts";
import type { PodFact } from "../facts/pod.ts";
import { profileKey } from "../facts/policy-group.ts";
import type { FactReader } from "../facts/store.ts";
import { groupsOfInterface, groupText } from "../policy/group.ts";
import { customVpc } from "../policy/pod-vpcs.ts";
import type { PolicyIndex } from "../reachability/policy-index.ts";
import type {
  EventRow,
  ObjectName,
  Page,
  PodDetail,
  PodRow,
  PolicyName,
  ShownInterface,
  ShownProblem,
} from "./contract.ts";
import { notFound } from "./page-error.ts";
import { matchesText, type PageQuestion, pageOf } from "./pages.ts";
import { policyName } from "./policy-names.ts";
import { isClusterWide, type Viewer, visiblePods } from "./viewer.ts";

/** Which pods are asked for. */
export interface PodsQuestion extends PageQuestion {
  readonly namespace?: string;
  readonly subnet?: string;
  readonly node?: string;
  /** Part of the name, or of an address. */
  readonly query?: string;
}

/** The pods that the viewer sees, by namespace and name. Throws a `PageError`. */
export function podsPage(facts: FactReader, viewer: Viewer, question: PodsQuestion): Page<PodRow> {
  const { namespace, subnet, node, query = "" } = question;
  const seen =
    namespace === undefined
      ? visiblePods(facts, viewer)
      : viewer.maySee(namespace)
        ? facts.by("pods", "namespace", namespace)
        : [];
  const holders =
    subnet === undefined ? undefined : new Set(facts.by("ips", "subnet", subnet).map(({ holder }) => holder));
  const text = query.toLowerCase();
  const found = seen.filter((pod) => {
    if (node !== undefined && pod.node !== node) return false;
    if (holders !== undefined && !holders.has(pod.holder)) return false;
    return (
      text === "" || matchesText(text, pod.key) || recordsOf(facts, pod).some(({ v4, v6 }) => matchesText(text, v4, v6))
    );
  });
  return pageOf(
    found,
    ({ key }) => key,
    (pod) => podRow(facts, viewer, pod),
    question,
  );
}

/** A pod's row. */
export function podRow(facts: FactReader, viewer: Viewer, pod: PodFact): PodRow {
  const { namespace, name, node, alive } = pod;
  const record = primaryRecord(facts, pod);
  const conflict = record && conflictOf(facts, viewer, record);
  const down = record !== undefined && facts.get("downPorts", record.key) !== undefined;
  const problem = conflict ?? pod.networksProblem ?? pod.invalidAnnotations?.[0]?.message;
  return {
    ...{ namespace, name },
    addresses: record === undefined ? [] : [record.v4, record.v6].filter((text) => text !== ""),
    ...(record !== undefined && { subnet: record.subnet }),
    ...(node !== undefined && { node }),
    state: !alive ? "ended" : record === undefined ? "waiting" : down ? "down" : "up",
    ...(problem !== undefined && { problem }),
  };
}

/** The records of a pod's addresses. A virtual machine's may be those of another pod of it. */
function recordsOf(facts: FactReader, { holder }: PodFact): readonly IpFact[] {
  return facts.by("ips", "holder", holder);
}

/** The record of a pod's own interface. */
export function primaryRecord(facts: FactReader, pod: PodFact): IpFact | undefined {
  return recordsOf(facts, pod).find(({ provider }) => provider === OVN_PROVIDER);
}

/** Whether a pod waits for an address. */
export function isWaiting(facts: FactReader, pod: PodFact): boolean {
  return pod.alive && !pod.replacesPrimary && primaryRecord(facts, pod) === undefined;
}

/** A pod that the viewer sees. Throws a `PageError`. */
export function visiblePod(facts: FactReader, viewer: Viewer, namespace: string, name: string): PodFact {
  const pod = viewer.maySee(namespace) ? facts.get("pods", `${namespace}/${name}`) : undefined;
  if (pod === undefined) throw notFound(`pod ${namespace}/${name} on the pod network`);
  return pod;
}

/** A pod. Throws a `PageError`. */
export function podDetail(
  facts: FactReader,
  viewer: Viewer,
  book: PolicyIndex,
  of: { readonly namespace: string; readonly name: string },
  events: readonly EventRow[],
): PodDetail {
  const pod = visiblePod(facts, viewer, of.namespace, of.name);
  const row = podRow(facts, viewer, pod);
  const vpc = row.subnet === undefined ? undefined : facts.get("subnets", row.subnet)?.vpc;
  const policies = (["ingress", "egress"] as const).flatMap((direction) =>
    book
      .applyingTo(pod, direction)
      .flatMap(({ id }): readonly { direction: typeof direction; policy: PolicyName }[] => {
        const policy = policyName(id);
        return policy === undefined ? [] : [{ direction, policy }];
      }),
  );
  return {
    ...row,
    ...(vpc !== undefined && { vpc }),
    labels: pod.labels,
    interfaces: recordsOf(facts, pod).map((record): ShownInterface => {
      const { key: port, provider, subnet, mac, v4, v6 } = record;
      const up = facts.get("downPorts", port) === undefined;
      return { provider, subnet, addresses: [v4, v6].filter((text) => text !== ""), mac, port, up };
    }),
    policies,
    securityGroups: securityGroupsOf(pod),
    groups: isClusterWide(viewer) ? groupsOf(facts, pod, row.subnet) : [],
    services: servicesOf(facts, pod),
    ports: pod.ports,
    ...qosOf(pod),
    problems: podProblems(facts, viewer, pod),
    events,
  };
}

/** Who else has an address of a record; the other's name only for who sees everything. */
function conflictOf(facts: FactReader, viewer: Viewer, { key }: IpFact): string | undefined {
  const conflict = facts.get("addressConflicts", key);
  if (conflict === undefined) return undefined;
  return isClusterWide(viewer) ? conflict.message : "another object has an address of this pod";
}

/** The names of the SecurityGroups in a pod's annotations. */
export function securityGroupsOf({ annotations }: PodFact): readonly string[] {
  return commaList(annotations[podAnnotation(OVN_PROVIDER, "security_groups")] ?? "");
}

function groupsOf(facts: FactReader, pod: PodFact, subnetName: string | undefined): readonly string[] {
  const subnet = subnetName === undefined ? undefined : facts.get("subnets", subnetName);
  const profile = facts.get("profiles", profileKey(pod.profile, subnet && customVpc(facts, subnet)));
  if (profile === undefined) return [];
  return groupsOfInterface(profile, OVN_PROVIDER).flatMap((name) => {
    const group = facts.get("groups", name)?.group;
    return group === undefined ? [] : groupText(group);
  });
}

function servicesOf(facts: FactReader, { key, namespace }: PodFact): readonly ObjectName[] {
  const names = new Set<string>();
  for (const { namespace: its, service, endpoints } of facts.all("endpointSlices"))
    if (its === namespace && endpoints.some(({ pod }) => pod === key)) names.add(service);
  return [...names]
    .sort()
    .map((service) => ({ kind: "Service", namespace, name: service.slice(namespace.length + 1) }));
}

function qosOf({ annotations }: PodFact): Pick<PodDetail, "qos"> {
  const of = (key: "ingress_rate" | "egress_rate"): number | undefined => {
    const text = annotations[podAnnotation(OVN_PROVIDER, key)];
    return text === undefined || !Number.isFinite(Number(text)) ? undefined : Number(text);
  };
  const [ingressMbit, egressMbit] = [of("ingress_rate"), of("egress_rate")];
  if (ingressMbit === undefined && egressMbit === undefined) return {};
  return {
    qos: { ...(ingressMbit !== undefined && { ingressMbit }), ...(egressMbit !== undefined && { egressMbit }) },
  };
}

/** What needs a hand at a pod, by its facts. */
export function podProblems(facts: FactReader, viewer: Viewer, pod: PodFact): readonly ShownProblem[] {
  const about = { kind: "Pod", namespace: pod.namespace, name: pod.name };
  const problems: ShownProblem[] = [];
  const add = (reason: string, message: string, severity: ShownProblem["severity"] = "error"): unknown =>
    problems.push({ severity, about, source: "address", reason, message });
  if (isWaiting(facts, pod))
    add("NoAddress", `it has no address yet; its Events, or \`weftctl pod ${pod.key}\`, say why`);
  for (const record of recordsOf(facts, pod)) {
    const conflict = conflictOf(facts, viewer, record);
    if (conflict !== undefined) add("AddressConflict", conflict);
  }
  if (pod.networksProblem !== undefined) add("NetworkUnclear", pod.networksProblem);
  for (const { message } of pod.invalidAnnotations ?? []) add("InvalidAnnotation", message, "warning");
  return problems;
}
