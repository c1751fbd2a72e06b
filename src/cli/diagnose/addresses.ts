// SPDX-License-Identifier: Apache-2.0

import { DEFAULT_VPC } from "../../api/names.ts";
import { isRetained } from "../../claims/retention.ts";
import type { IpFact } from "../../facts/ip.ts";
import type { ClusterModel, ClusterObjects } from "../cluster-model.ts";
import type { Finding } from "./finding.ts";

/**
 * Reports addresses with two records, records without a pod, and pods on a node without an address. `now`: ms since
 * 1970.
 */
export function diagnoseAddresses(model: ClusterModel, objects: ClusterObjects, now: number): readonly Finding[] {
  return [...duplicates(model), ...leaks(model, now), ...withoutAddress(model, objects, now)];
}

function duplicates({ facts }: ClusterModel): readonly Finding[] {
  const holders = new Map<string, IpFact[]>();
  for (const ip of facts.all("ips")) {
    const vpc = facts.get("subnets", ip.subnet)?.vpc || DEFAULT_VPC;
    for (const address of [ip.v4, ip.v6]) {
      if (address === "") continue;
      const key = `${address} of VPC ${vpc}`;
      holders.set(key, [...(holders.get(key) ?? []), ip]);
    }
  }
  return [...holders].flatMap(([address, ips]): readonly Finding[] => {
    // A virtual machine's pods share its address while it moves.
    if (new Set(ips.map(({ holder, name }) => holder || name)).size < 2) return [];
    const [oldest, ...others] = ips.toSorted((a, b) => (a.created < b.created ? -1 : 1));
    return [
      {
        ...{ area: "pod", object: `IP ${others.map(({ name }) => name).join(", ")}`, severity: "error" },
        concerns: ips.map(({ holder }) => holder).filter((holder) => holder !== ""),
        problem: `has the address ${address}, which IP ${oldest?.name} has as well`,
        evidence: `spec of the IP objects; the oldest, ${oldest?.name}, is used`,
        remedy: "delete the pod of the later one, or give it another address; its pod has no network",
      },
    ];
  });
}

/** A deleted pod's record is released at once; after this time it is orphaned. */
const LEFT_MS = 10 * 60_000;

function leaks({ facts }: ClusterModel, now: number): readonly Finding[] {
  const used = new Set(facts.all("pods").map(({ holder }) => holder));
  return facts.all("ips").flatMap((ip): readonly Finding[] => {
    const { name, holder, created, reserved, deleting, v4, v6, subnet } = ip;
    if (!/^[^:/]+\/[^/]+$/.test(holder) || used.has(holder) || reserved || isRetained(facts, ip)) return [];
    const age = now - Date.parse(created);
    if (Number.isFinite(age) && age < LEFT_MS) return [];
    return [
      {
        ...{ area: "pod", object: `IP ${name}`, severity: "warning", concerns: [holder] },
        problem: `holds ${[v4, v6].filter(Boolean).join(" and ")} of subnet ${subnet}, and there is no pod ${holder}`,
        evidence: deleting ? `it is being deleted; finalizers: ${ip.finalizers.join(", ")}` : `created ${created}`,
        remedy: `is a controller leading? If so and it stays, \`kubectl delete ip ${name}\``,
      },
    ];
  });
}

/**
 * A new pod has an address within this time. The lists are not from the same moment either: a pod may be in one, and
 * its record not in the other.
 */
const SERVED_MS = 10_000;

function withoutAddress({ facts, network }: ClusterModel, objects: ClusterObjects, now: number): readonly Finding[] {
  return facts.all("pods").flatMap((pod): readonly Finding[] => {
    if (pod.node === undefined || !pod.alive || pod.replacesPrimary || network.podPort(pod) !== undefined) return [];
    const created = objects.get("pods")?.get(pod.key)?.metadata.creationTimestamp;
    if (now - Date.parse(created ?? "") < SERVED_MS) return [];
    return [
      {
        ...{ area: "pod", object: `Pod ${pod.key}`, severity: "warning", problem: "has no address" },
        evidence: `it is bound to node ${pod.node}, and no IP object is its own`,
        remedy: `\`weftctl pod ${pod.key}\` shows the step that is missing; its Events say why`,
      },
    ];
  });
}
