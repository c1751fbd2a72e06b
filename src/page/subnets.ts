// SPDX-License-Identifier: Apache-2.0

import type { FactReader } from "../facts/store.ts";
import type { SubnetFact } from "../facts/subnet.ts";
import { NEARLY_FULL, usedShare } from "../net/nearly-full.ts";
import { type ConditionsOf, conditionRows, healthOf } from "./conditions.ts";
import type { EventRow, Health, SubnetDetail, SubnetRow } from "./contract.ts";
import { fillOf, podsBySubnet } from "./fill.ts";
import { notFound } from "./page-error.ts";
import { type Viewer, visibleNamespaces, visiblePods, visibleSubnets } from "./viewer.ts";

/** A subnet: the accepted configuration, or where there is none the spec. */
export function acceptedSubnet(facts: FactReader, name: string): SubnetFact | undefined {
  return facts.get("subnets", name) ?? facts.get("subnetSpecs", name);
}

/** The rows of the subnets that the viewer sees, by name. */
export function subnetRows(facts: FactReader, viewer: Viewer, conditionsOf: ConditionsOf): readonly SubnetRow[] {
  return [...visibleSubnets(facts, viewer)].sort().flatMap((name) => {
    const subnet = acceptedSubnet(facts, name);
    return subnet === undefined ? [] : subnetRow(facts, viewer, subnet, conditionsOf);
  });
}

/** The row of a subnet. */
export function subnetRow(
  facts: FactReader,
  viewer: Viewer,
  subnet: SubnetFact,
  conditionsOf: ConditionsOf,
): SubnetRow {
  const { name, vpc, provider, isDefault } = subnet;
  const fill = fillOf(facts, viewer, subnet);
  return { name, vpc, provider, isDefault, fill, ...subnetHealth(facts, viewer, name, fill, conditionsOf) };
}

function subnetHealth(
  facts: FactReader,
  viewer: Viewer,
  name: string,
  fill: SubnetRow["fill"],
  conditionsOf: ConditionsOf,
): { readonly state: Health; readonly problem?: string } {
  const verdict = facts.get("verdicts", name);
  // Messages name what is in the way: subnets, VPCs and peerings of others.
  if (verdict?.ok === false)
    return viewer.sees.networks
      ? { state: "error", problem: `${verdict.reason}: ${verdict.message}` }
      : { state: "error" };
  const told = healthOf(conditionsOf("subnets", name));
  if (told.state === "error") return viewer.sees.networks ? told : { state: "error" };
  const full = fill.find(({ free }) => free === 0);
  if (full !== undefined) return { state: "error", problem: `no address of ${full.cidr} is free` };
  const share = fill.find(({ free, used }) => free !== undefined && usedShare(used, free) >= NEARLY_FULL);
  if (share?.free !== undefined)
    return { state: "warning", problem: `${share.free} addresses of ${share.cidr} are free` };
  return verdict === undefined ? { state: "unknown" } : { state: "ok" };
}

/** The share of used addresses of the fullest family: 0 to 1. */
export function fullness({ fill }: Pick<SubnetRow, "fill">): number {
  return Math.max(0, ...fill.map(({ used, free = 0 }) => usedShare(used, free)));
}

/** A subnet. Throws a `PageError`. */
export function subnetDetail(
  facts: FactReader,
  viewer: Viewer,
  name: string,
  conditionsOf: ConditionsOf,
  events: readonly EventRow[],
): SubnetDetail {
  const subnet = visibleSubnet(facts, viewer, name);
  const conditions = viewer.sees.networks ? conditionRows(conditionsOf("subnets", name)) : [];
  const { gatewayType, gatewayNodes, natOutgoing, private: isPrivate, allowSubnets, vlan, excludeIps } = subnet;
  const gateways = facts.get("subnetGateways", name);
  const nodes =
    gateways?.nodes.map(({ name: node, problem }) => ({ name: node, ...(problem !== undefined && { problem }) })) ??
    gatewayNodes.map((node) => ({ name: node }));
  const missing = gateways?.missing.map((node) => ({ name: node, problem: "does not exist" })) ?? [];
  const seen = new Set(visibleNamespaces(facts, viewer).map((namespace) => namespace.name));
  return {
    ...subnetRow(facts, viewer, subnet, conditionsOf),
    gatewayType,
    gatewayNodes: viewer.sees.nodes ? [...nodes, ...missing] : [],
    natOutgoing,
    private: isPrivate,
    allowSubnets: viewer.sees.networks ? allowSubnets : [],
    vlan,
    excludeIps: viewer.sees.networks ? excludeIps : [],
    namespaces: subnet.namespaces.filter((namespace) => seen.has(namespace)),
    pods: podsBySubnet(facts, visiblePods(facts, viewer)).get(name) ?? 0,
    conditions,
    events: viewer.sees.networks ? events : [],
  };
}

/** A subnet that the viewer sees. Throws a `PageError`. */
export function visibleSubnet(facts: FactReader, viewer: Viewer, name: string): SubnetFact {
  const subnet = acceptedSubnet(facts, name);
  if (subnet === undefined || !visibleSubnets(facts, viewer).has(name)) throw notFound(`subnet ${name}`);
  return subnet;
}
