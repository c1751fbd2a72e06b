// SPDX-License-Identifier: Apache-2.0

import type { FactChange } from "../facts/fact-change.ts";
import type { IpFact } from "../facts/ip.ts";
import type { PodFact } from "../facts/pod.ts";
import type { FactReader } from "../facts/store.ts";
import type { SubnetFact } from "../facts/subnet.ts";
import { canonicalGroup, groupName, selectorInVpc } from "./group.ts";
import type { PodVpcs } from "./peer-vpcs.ts";

/** The custom VPC of a subnet; `undefined` for the default VPC. */
export function customVpc(reader: FactReader, { vpc }: Pick<SubnetFact, "vpc">): string | undefined {
  return vpc === reader.get("cluster", "cluster")?.router ? undefined : vpc;
}

/** The custom VPCs in which a pod has addresses, or may have one: an address of a virtual machine counts for each of its pods. */
export function customVpcsOf(reader: FactReader, { holder }: PodFact): readonly string[] {
  const found = new Set<string>();
  for (const { subnet: name } of reader.by("ips", "holder", holder)) {
    const subnet = reader.get("subnets", name);
    const vpc = subnet && customVpc(reader, subnet);
    if (vpc !== undefined) found.add(vpc);
  }
  return [...found];
}

/** Keys of the pods whose VPCs a change may concern. */
export function podsConcerned(reader: FactReader, { kind, key, old, new: now }: FactChange): Iterable<string> {
  if (kind === "pods") return [key];
  const holders = new Set<string>();
  if (kind === "ips")
    for (const ip of [old, now] as (IpFact | undefined)[]) if (ip !== undefined) holders.add(ip.holder);
  if (kind === "subnets" && (old as SubnetFact | undefined)?.vpc !== (now as SubnetFact | undefined)?.vpc)
    for (const { holder } of reader.by("ips", "subnet", key)) holders.add(holder);
  return [...holders].flatMap((holder) => reader.by("pods", "holder", holder).map((pod) => pod.key));
}

/** Where pods are, by the facts. Which of these VPCs a policy reaches: `nearTo` in `peer-vpcs.ts`. */
export function podVpcs(reader: FactReader): PodVpcs {
  return {
    of: (selector) => {
      const group = canonicalGroup({ kind: "pods", selector: selectorInVpc(selector, undefined) });
      return reader.get("groupVpcs", groupName(group))?.vpcs ?? [];
    },
    peeredWith: (vpc) => {
      const router = reader.get("cluster", "cluster")?.router;
      const peers = reader.get("vpcPeers", vpc ?? router ?? "")?.vpcs ?? [];
      return peers.map((other) => (other === router ? undefined : other));
    },
  };
}

/** The VPC of a subnet, and those that are peered with it. */
export function vpcsNear(reader: FactReader, subnetName: string): readonly (string | undefined)[] {
  const subnet = reader.get("subnets", subnetName);
  if (subnet === undefined) return [];
  const vpc = customVpc(reader, subnet);
  return [vpc, ...podVpcs(reader).peeredWith(vpc)];
}
