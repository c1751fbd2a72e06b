// SPDX-License-Identifier: Apache-2.0

import type { Fill, Health, Topology } from "../../page/contract.ts";
import { fullestOf } from "./fill.ts";

/** A subnet in the list of all. */
export interface SubnetSummary {
  readonly name: string;
  readonly vpc: string;
  readonly isDefault: boolean;
  readonly fill: readonly Fill[];
  /** The fullest family's share, from 0 to 1; -1 if it is not known. */
  readonly share: number;
  readonly pods: number;
  readonly state: Health;
  readonly problem?: string;
}

/** The subnets of a topology with their VPCs. */
export function subnetsOf({ nodes, edges }: Topology): readonly SubnetSummary[] {
  const vpcs = new Map(nodes.flatMap((node) => (node.kind === "vpc" ? [[node.id, node.name] as const] : [])));
  const owners = new Map<string, string>();
  for (const { kind, from, to } of edges) {
    if (kind !== "member") continue;
    const [subnet, vpc] = vpcs.has(to) ? [from, to] : [to, from];
    owners.set(subnet, vpcs.get(vpc) ?? "");
  }
  return nodes.flatMap((node): readonly SubnetSummary[] => {
    if (node.kind !== "subnet") return [];
    const { id, name, isDefault, fill, pods, state, problem } = node;
    const share = fullestOf(fill)?.share ?? -1;
    const vpc = owners.get(id) ?? "";
    return [{ name, vpc, isDefault, fill, share, pods, state, ...(problem !== undefined && { problem }) }];
  });
}
