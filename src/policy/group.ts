// SPDX-License-Identifier: Apache-2.0

import { digestOf } from "../api/composed-name.ts";
import type { ProfileFact } from "../facts/policy-group.ts";
import { canonicalDomain } from "../facts/project-name-resolver.ts";
import { canonicalSelector, selectorText } from "./labels.ts";
import type { Group, PodSelector } from "./types.ts";

/** The label that the API server puts on each namespace with its own name (well-known label `kubernetes.io/metadata.name`). */
const NAMESPACE_NAME = "kubernetes.io/metadata.name";

/** The canonical form of a group, so that equal groups have one name. */
export function canonicalGroup(group: Group): Group {
  switch (group.kind) {
    case "pods":
      return { kind: "pods", selector: canonicalPodSelector(group.selector) };
    case "nodes":
      return { kind: "nodes", selector: canonicalSelector(group.selector) };
    case "domain":
      return { kind: "domain", domain: canonicalDomain(group.domain) };
    case "sources":
      return { kind: "sources", cidr: group.cidr, except: [...new Set(group.except)].sort() };
  }
}

function canonicalPodSelector({
  vpc,
  namespace,
  namespaceSelector,
  podSelector,
  port,
  providers,
}: PodSelector): PodSelector {
  const pods = canonicalSelector(podSelector);
  const rest = { podSelector: pods, ...(port && { port }), ...(providers && { providers }), ...(vpc && { vpc }) };
  if (namespace !== undefined) return { namespace, ...rest };
  const namespaces = canonicalSelector(namespaceSelector ?? {});
  const { matchLabels = {}, matchExpressions } = namespaces;
  const named = matchLabels[NAMESPACE_NAME];
  if (named !== undefined && Object.keys(matchLabels).length === 1 && matchExpressions === undefined) {
    return { namespace: named, ...rest };
  }
  const all = matchExpressions === undefined && Object.keys(matchLabels).length === 0;
  return all ? rest : { namespaceSelector: namespaces, ...rest };
}

/** A human-readable description of a canonical group. */
export function groupText(group: Group): string {
  switch (group.kind) {
    case "pods": {
      const { vpc, namespace, namespaceSelector, podSelector, port, providers } = group.selector;
      const where =
        namespace !== undefined
          ? `in namespace ${namespace}`
          : namespaceSelector === undefined
            ? "in all namespaces"
            : `in namespaces with ${selectorText(namespaceSelector)}`;
      const labels = selectorText(podSelector);
      const named = port === undefined ? "" : ` whose port ${port.name} is ${port.number}/${port.protocol}`;
      const only = providers === undefined ? "" : `, interfaces ${providers.join(" ")}`;
      const there = vpc === undefined ? "" : `, in VPC ${vpc}`;
      return `${labels === "" ? "all pods" : `pods with ${labels}`} ${where}${named}${only}${there}`;
    }
    case "nodes": {
      const labels = selectorText(group.selector);
      return labels === "" ? "all nodes" : `nodes with ${labels}`;
    }
    case "domain":
      return `addresses of ${group.domain}`;
    case "sources": {
      const except = group.except.length === 0 ? "" : ` except ${group.except.join(", ")}`;
      return `nodes in ${group.cidr}${except}, by their addresses for Services`;
    }
  }
}

/**
 * The name of a canonical group in the northbound database: that of its Port_Group, and with the suffix `_ip4` or `_ip6` that of its address sets
 * (ovn-northd creates those of a Port_Group; ovn-nb(5), Port_Group `name`). It is a digest, because OVN's identifiers allow neither the length nor
 * the characters of selectors, and shortened names could collide.
 */
export function groupName(group: Group): string {
  return `weft.${group.kind}.${digestOf(group)}`;
}

/** A selector of the same pods, for their ports in a custom VPC, or in the default VPC if `vpc` is undefined. */
export function selectorInVpc(selector: PodSelector, vpc: string | undefined): PodSelector {
  const { vpc: _vpc, ...anywhere } = selector;
  return vpc === undefined ? anywhere : { ...anywhere, vpc };
}

/** The groups of a profile that apply to a pod's interface. */
export function groupsOfInterface({ groups, limited }: ProfileFact, provider: string): readonly string[] {
  return limited === undefined ? groups : groups.filter((name) => limited[name]?.includes(provider) !== false);
}
