// SPDX-License-Identifier: Apache-2.0

import type { NamespaceFact } from "../facts/namespace.ts";
import type { PodFact } from "../facts/pod.ts";
import type { FactReader } from "../facts/store.ts";
import type { Me } from "./contract.ts";

/** Who asks, and what the API server lets them see, as `src/controller/page/accounts.ts` asks it. */
export interface Viewer {
  readonly user: string;
  readonly sees: Me["sees"];
  /** Whether they may list the pods of a namespace. */
  readonly maySee: (namespace: string) => boolean;
}

/** Whether the viewer sees everything. */
export function isClusterWide({ sees }: Viewer): boolean {
  return sees.allNamespaces && sees.nodes && sees.networks;
}

/** The namespaces that the viewer sees, by name. */
export function visibleNamespaces(facts: FactReader, { maySee }: Viewer): readonly NamespaceFact[] {
  return facts.all("namespaces").filter(({ name }) => maySee(name));
}

/** The pods that the viewer sees, by key. */
export function visiblePods(facts: FactReader, viewer: Viewer): readonly PodFact[] {
  if (viewer.sees.allNamespaces) return facts.all("pods");
  // By key as all pods are: a-b/x is before a/x.
  return visibleNamespaces(facts, viewer)
    .flatMap(({ name }) => facts.by("pods", "namespace", name))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** The names of the subnets that the viewer sees: all, or those that their pods are in or their namespaces are bound to. */
export function visibleSubnets(facts: FactReader, viewer: Viewer): ReadonlySet<string> {
  if (viewer.sees.networks) return new Set(facts.all("subnetSpecs").map(({ name }) => name));
  const own = new Set<string>();
  for (const pod of visiblePods(facts, viewer))
    for (const { subnet } of facts.by("ips", "holder", pod.holder)) own.add(subnet);
  for (const { name } of visibleNamespaces(facts, viewer))
    for (const { name: bound } of facts.by("subnets", "namespace", name)) own.add(bound);
  return own;
}

/** The names of the VPCs that the viewer sees: all, or those of the subnets that they see. */
export function visibleVpcs(facts: FactReader, viewer: Viewer): ReadonlySet<string> {
  if (viewer.sees.networks) return new Set(facts.all("vpcs").map(({ name }) => name));
  return new Set([...visibleSubnets(facts, viewer)].flatMap((name) => facts.get("subnets", name)?.vpc ?? []));
}

/** The namespace of what `IpFact.holder` names; `undefined` for a node, a subnet or a user's reservation. */
export function namespaceOfHolder(holder: string): string | undefined {
  const slash = holder.indexOf("/");
  return slash <= 0 ? undefined : holder.slice(0, slash);
}
