// SPDX-License-Identifier: Apache-2.0

import { UPLINKS_GROUP } from "../api/names.ts";
import type { PodFact } from "../facts/pod.ts";
import { isWithin, type Literal, usesOf } from "./match-uses.ts";
import type { Network } from "./network.ts";
import type { NetworkPort } from "./network-port.ts";

/** Pods that no policy can distinguish in traffic between pods: all of them reach the same pods. */
export interface PodClass {
  /** By key; at least one. */
  readonly pods: readonly PodFact[];
}

/**
 * The properties of a pod that ACLs compare, as text: pods with the same signature are equal for all ACLs that may
 * concern traffic between pods.
 */
export type SignatureOf = (port: NetworkPort) => string;

/**
 * Computes the signatures of a network's pods. A thousand pods have some dozen signatures, so reachability is
 * computed for pairs of these. Groups whose ACLs are equal for their own ports, such as those of nodes, do not
 * distinguish pods.
 */
export function signatures(network: Network): SignatureOf {
  const pods = [...network.ports.values()].filter((port) => port.pod !== undefined);
  /** Port groups that are named as the other side, or by ACLs of other groups. */
  const groups = new Set<string>();
  const names = new Set<string>();
  const literals = new Map<string, Literal>();
  const sets = new Map<string, ReadonlySet<string>>();
  /** Port group → the content of its ACLs for its own ports. */
  const contents = new Map<string, string[]>();
  const take = (match: string, own?: string): void => {
    const uses = usesOf(match);
    for (const port of uses.ports) names.add(port);
    for (const literal of uses.literals) literals.set(`${literal.family}/${literal.value}/${literal.mask}`, literal);
    for (const name of uses.sets) {
      const group = name.replace(/_ip[46]$/, "");
      if (name === own) continue;
      if (network.portGroup(group) !== undefined) groups.add(group);
      else sets.set(name, new Set(network.addressSet(name)));
    }
  };
  for (const { group, match, direction, tier, priority, action, options } of network.acls.all.values()) {
    // The rule that a node reaches its own pods does not concern pods.
    if (group !== undefined && !isAboutPods(match, group, pods)) continue;
    take(match, group);
    if (group === undefined) continue;
    const said = JSON.stringify([direction, tier, priority, action, options, match.replaceAll(`@${group} `, "@ ")]);
    const known = contents.get(group);
    if (known === undefined) contents.set(group, [said]);
    else known.push(said);
  }
  for (const policy of network.allRouterPolicies()) if (policy.action === "drop") take(policy.match);
  /** Content of a group's ACLs → a short name for it. */
  const sayings = new Map<string, number>();
  const sayingOf = new Map<string, number>();
  for (const [group, said] of contents) {
    const key = said.sort().join("\n");
    if (!sayings.has(key)) sayings.set(key, sayings.size);
    sayingOf.set(group, sayings.get(key) ?? 0);
  }
  return (port) => {
    const addresses = Object.values(port.addresses);
    const within = [...literals.values()].map((literal) => addresses.some((ip) => isWithin(literal, ip)));
    const inSets = [...sets.values()].map((set) => addresses.some((ip) => set.has(ip.text)));
    return JSON.stringify([
      port.switch,
      Object.keys(port.addresses).sort(),
      port.groups.filter((group) => groups.has(group)),
      [...new Set(port.groups.flatMap((group) => sayingOf.get(group) ?? []))].sort((a, b) => a - b),
      [...within, ...inSets].map(Number).join(""),
      names.has(port.name) ? port.name : "",
    ]);
  };
}

/** Whether a match that requires a port in `group` may match traffic with another pod. */
function isAboutPods(match: string, group: string, pods: readonly NetworkPort[]): boolean {
  const { sets, literals } = usesOf(match);
  // Traffic of both pods and nodes arrives by the router, so the router's port alone does not decide it.
  const others = [...sets].some((name) => name !== group && name !== UPLINKS_GROUP);
  if (others || literals.length === 0) return true;
  return pods.some((port) => Object.values(port.addresses).some((ip) => literals.some((one) => isWithin(one, ip))));
}

/**
 * Groups pods with a port into classes: all pods of a class have the same signature in each of the networks. Sorted
 * by the first pod's key.
 */
export function classesOf(
  pods: readonly PodFact[],
  signatureOf: (pod: PodFact) => string | undefined,
): readonly PodClass[] {
  const bySignature = new Map<string, PodFact[]>();
  for (const pod of [...pods].sort((a, b) => (a.key < b.key ? -1 : 1))) {
    const signature = signatureOf(pod);
    if (signature === undefined) continue;
    const known = bySignature.get(signature);
    if (known === undefined) bySignature.set(signature, [pod]);
    else known.push(pod);
  }
  return [...bySignature.values()].map((members) => ({ pods: members }));
}

/**
 * A short name for each class, all different: `shop/web-1`, `shop/web-* (12)`, `shop/a, shop/b`, `shop/a and 11
 * more`.
 */
export function classNames(classes: readonly PodClass[]): ReadonlyMap<PodClass, string> {
  const uses = new Map<string, number>();
  for (const one of classes) uses.set(className(one), (uses.get(className(one)) ?? 0) + 1);
  return new Map(
    classes.map((one) => {
      const name = className(one);
      return [one, uses.get(name) === 1 ? name : plainName(one)];
    }),
  );
}

function plainName({ pods }: PodClass): string {
  const [first] = pods;
  return pods.length < 2 ? (first?.key ?? "") : `${first?.key} and ${pods.length - 1} more`;
}

function className({ pods }: PodClass): string {
  const [first, second] = pods;
  if (first === undefined) return "";
  if (second === undefined) return first.key;
  const keys = pods.map(({ key }) => key);
  const common = commonPrefix(keys);
  // The common prefix is cut at the last separator before the generated part.
  const stem = common.slice(0, Math.max(common.lastIndexOf("-"), common.lastIndexOf("/")) + 1);
  if (stem.length > first.namespace.length + 1) return `${stem}* (${pods.length})`;
  return pods.length === 2 ? `${first.key}, ${second.key}` : plainName({ pods });
}

function commonPrefix(texts: readonly string[]): string {
  const [first = "", ...rest] = texts;
  let length = first.length;
  for (const text of rest) while (!text.startsWith(first.slice(0, length))) length--;
  return first.slice(0, length);
}
