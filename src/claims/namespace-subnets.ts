// SPDX-License-Identifier: Apache-2.0

import { OVN_PROVIDER } from "../api/annotations.ts";
import type { NamespaceFact } from "../facts/namespace.ts";
import type { FactReader } from "../facts/store.ts";
import type { SubnetFact } from "../facts/subnet.ts";
import type { VpcFact } from "../facts/vpc.ts";
import { matchesLabels } from "../policy/labels.ts";

/**
 * The subnets that pods of a namespace get addresses from, in the order in which they are tried: the default subnet of the
 * VPC that the namespace is bound to (`spec.defaultSubnet`, or the one in it with `spec.default`), then those bound to the
 * namespace by name or by selector, by name of the subnet; if there is none of these and the namespace belongs to no custom VPC, the cluster's
 * default subnet. Where the namespace has IPPools, only the addresses of these are given (`src/claims/pod-request.ts`).
 *
 * Subnets that are being deleted are left out. Subnets that are not ready are included: their pods wait instead of starting in another network.
 */
export function subnetsOfNamespace(reader: FactReader, namespace: string): readonly SubnetFact[] {
  const fact = reader.get("namespaces", namespace);
  const vpc = vpcOfNamespace(reader, namespace);
  const first = vpc && defaultOfVpc(reader, vpc);
  const selecting = reader.by("subnets", "selects", "any");
  const named = reader.by("subnets", "namespace", namespace);
  const bound = [...named, ...selecting.filter((subnet) => fact !== undefined && selects(subnet, fact))]
    .filter((subnet) => subnet.provider === OVN_PROVIDER && subnet.name !== first?.name)
    .filter((subnet, i, all) => all.indexOf(subnet) === i)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const usable = [...(first === undefined ? [] : [first]), ...bound].filter((subnet) => !subnet.deleting);
  // Subnets of its VPC may be created later: its pods must not be in the default VPC.
  if (usable.length > 0 || vpc !== undefined) return usable;
  const fallback = reader.get("subnets", reader.get("cluster", "cluster")?.defaultSubnet ?? "");
  return fallback === undefined || fallback.deleting ? [] : [fallback];
}

/**
 * The custom VPC that a namespace belongs to. Of several that name it the oldest, so that a later one does not move the namespace's next pods to
 * another network by mistake.
 */
export function vpcOfNamespace(reader: FactReader, namespace: string): VpcFact | undefined {
  return oldest(reader.all("vpcs").filter(({ isDefault, namespaces }) => !isDefault && namespaces.includes(namespace)));
}

/** Of those of equal age the first by name: they are sorted. */
function oldest<F extends { readonly created: string }>(facts: readonly F[]): F | undefined {
  return facts.reduce<F | undefined>((first, one) => (first && first.created <= one.created ? first : one), undefined);
}

/**
 * The default subnet of a custom VPC. A subnet of another VPC does not count; of several with `spec.default` the oldest counts, as above.
 */
export function defaultOfVpc(reader: FactReader, vpc: VpcFact): SubnetFact | undefined {
  const named = vpc.defaultSubnet === "" ? undefined : reader.get("subnets", vpc.defaultSubnet);
  if (vpc.defaultSubnet !== "") return named?.vpc === vpc.name ? named : undefined;
  return oldest(reader.by("subnets", "vpc", vpc.name).filter((subnet) => subnet.isDefault));
}

/** Whether a subnet gives addresses. */
export function isUsable(reader: FactReader, subnet: SubnetFact): boolean {
  return !subnet.deleting && reader.get("verdicts", subnet.name)?.ok === true;
}

function selects(subnet: SubnetFact, namespace: NamespaceFact): boolean {
  return subnet.namespaceSelectors.some((selector) => matchesLabels(selector, namespace.labels));
}
