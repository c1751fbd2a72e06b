// SPDX-License-Identifier: Apache-2.0

import type { FactReader } from "../facts/store.ts";
import type { ConditionsOf } from "./conditions.ts";
import type { Topology, TopologyEdge, TopologyNode } from "./contract.ts";
import { podsBySubnet } from "./fill.ts";
import { nodeHealth, podsByNode } from "./nodes.ts";
import { acceptedSubnet, subnetRow } from "./subnets.ts";
import { type Viewer, visiblePods, visibleSubnets, visibleVpcs } from "./viewer.ts";
import { vpcHealth } from "./vpcs.ts";

/** The most nodes of the graph. */
const MOST = 5_000;

/** The networks that the viewer sees as a graph: VPCs first, then subnets, Vlans, and the cluster's nodes. */
export function topology(facts: FactReader, viewer: Viewer, conditionsOf: ConditionsOf): Topology {
  const nodes: TopologyNode[] = [];
  const edges: TopologyEdge[] = [];
  const vpcs = [...visibleVpcs(facts, viewer)].sort();
  for (const name of vpcs) {
    const vpc = facts.get("vpcs", name);
    const isDefault = vpc?.isDefault === true;
    nodes.push({ id: `vpc/${name}`, name, kind: "vpc", isDefault, ...vpcHealth(facts, viewer, name, conditionsOf) });
  }
  if (viewer.sees.networks) edges.push(...peerings(facts));
  const pods = podsBySubnet(facts, visiblePods(facts, viewer));
  const cluster = facts.get("cluster", "cluster");
  const vlans = new Set<string>();
  for (const name of [...visibleSubnets(facts, viewer)].sort()) {
    const subnet = acceptedSubnet(facts, name);
    if (subnet === undefined) continue;
    const { fill, state, problem, isDefault } = subnetRow(facts, viewer, subnet, conditionsOf);
    const id = `subnet/${name}`;
    const health = { state, ...(problem !== undefined && { problem }) };
    nodes.push({ id, name, kind: "subnet", fill, pods: pods.get(name) ?? 0, isDefault, ...health });
    if (subnet.vpc !== "") edges.push({ from: id, to: `vpc/${subnet.vpc}`, kind: "member" });
    if (!viewer.sees.networks) continue;
    if (subnet.vlan !== "") {
      vlans.add(subnet.vlan);
      edges.push({ from: id, to: `vlan/${subnet.vlan}`, kind: "vlan" });
    }
    for (const { name: node } of facts.get("subnetGateways", name)?.nodes ?? [])
      edges.push({ from: id, to: `node/${node}`, kind: "gateway" });
    if (subnet.egress.gateway !== "") {
      const gateway = `gateway/${subnet.egress.gateway}`;
      if (!nodes.some((node) => node.id === gateway))
        nodes.push({ id: gateway, name: subnet.egress.gateway, kind: "gateway", what: "external", state: "unknown" });
      edges.push({ from: id, to: gateway, kind: "gateway" });
    }
  }
  for (const name of [...vlans].sort()) {
    const vlan = facts.get("vlans", name);
    const state = vlan === undefined ? ("error" as const) : ("ok" as const);
    const problem = vlan === undefined ? { problem: `there is no Vlan ${name}` } : {};
    nodes.push({
      id: `vlan/${name}`,
      name,
      kind: "vlan",
      provider: vlan?.network ?? "",
      vlanId: vlan?.id ?? 0,
      state,
      ...problem,
    });
  }
  if (viewer.sees.nodes) {
    const onNode = podsByNode(facts, viewer);
    for (const node of facts.all("nodes")) {
      const { name, addresses } = node;
      const id = `node/${name}`;
      nodes.push({ id, name, kind: "node", addresses, pods: onNode.get(name) ?? 0, ...nodeHealth(facts, node) });
      if (cluster !== undefined) edges.push({ from: id, to: `subnet/${cluster.joinSubnet}`, kind: "join" });
    }
  }
  const kept = nodes.slice(0, MOST);
  const ids = new Set(kept.map(({ id }) => id));
  return {
    nodes: kept,
    edges: edges.filter(({ from, to }) => from !== to && ids.has(from) && ids.has(to)),
    more: nodes.length - kept.length,
  };
}

/** Each pair of peered VPCs once. */
function peerings(facts: FactReader): readonly TopologyEdge[] {
  const found = new Map<string, TopologyEdge>();
  for (const { name, peerings: own } of facts.all("vpcs")) {
    for (const { remoteVpc, local } of own) {
      const [from, to] = [name, remoteVpc].sort() as [string, string];
      const addresses = Object.values(local).flatMap((end) => end?.address ?? []);
      const key = `${from} ${to}`;
      const known = found.get(key)?.label;
      const label = [...(known === undefined ? [] : [known]), `${name} ${addresses.join(", ")}`].join("; ");
      found.set(key, { from: `vpc/${from}`, to: `vpc/${to}`, kind: "peering", label });
    }
  }
  return [...found.values()];
}
