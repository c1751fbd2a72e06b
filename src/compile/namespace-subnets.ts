import { OVN_PROVIDER } from "../api/annotations.ts";
import type { FactReader } from "../facts/store.ts";
import type { NamespaceFact, SubnetFact } from "../facts/types.ts";
import { matchesLabels } from "../policy/labels.ts";

/**
 * The subnets that pods of a namespace get addresses from, in the order in which they are tried: those bound to the
 * namespace by name or by selector (by name of the subnet), else the default subnet of the VPC that the namespace is bound
 * to, else the cluster's. Subnets that are not in
 * force, or that are being deleted, are left out.
 */
export function subnetsOfNamespace(reader: FactReader, namespace: string): readonly SubnetFact[] {
  const fact = reader.get("namespaces", namespace);
  const bound = reader
    .all("subnets")
    .filter((subnet) => subnet.provider === OVN_PROVIDER)
    .filter((subnet) => subnet.namespaces.includes(namespace) || (fact !== undefined && selects(subnet, fact)))
    .filter((subnet) => isOpen(reader, subnet));
  if (bound.length > 0) return bound;
  const vpc = reader
    .all("vpcs")
    .find((candidate) => candidate.defaultSubnet !== "" && candidate.namespaces.includes(namespace));
  const fallback = reader.get("subnets", vpc?.defaultSubnet ?? reader.get("cluster", "cluster")?.defaultSubnet ?? "");
  return fallback !== undefined && isOpen(reader, fallback) ? [fallback] : [];
}

/** Whether a subnet gives addresses. */
export function isOpen(reader: FactReader, subnet: SubnetFact): boolean {
  return !subnet.deleting && reader.get("verdicts", subnet.name)?.ok === true;
}

function selects(subnet: SubnetFact, namespace: NamespaceFact): boolean {
  return subnet.namespaceSelectors.some((selector) => matchesLabels(selector, namespace.labels));
}
