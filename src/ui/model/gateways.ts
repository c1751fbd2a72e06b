// SPDX-License-Identifier: Apache-2.0

import type { Health, Topology } from "../../page/contract.ts";

/** What packets of subnets leave by. */
export interface GatewayRow {
  /** As in the topology. */
  readonly id: string;
  readonly name: string;
  readonly what: "node" | "VpcNatGateway" | "external";
  readonly state: Health;
  readonly problem?: string;
  /** The names of the subnets, sorted. */
  readonly subnets: readonly string[];
}

/** The gateways of a topology: all of the kind, and the nodes that subnets leave by. Those that need a hand first. */
export function gatewaysOf({ nodes, edges }: Topology): readonly GatewayRow[] {
  const names = new Map(nodes.flatMap((node) => (node.kind === "subnet" ? [[node.id, node.name] as const] : [])));
  const subnets = new Map<string, string[]>();
  for (const { kind, from, to } of edges) {
    if (kind !== "gateway") continue;
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      const name = names.get(one);
      if (name === undefined) continue;
      const known = subnets.get(other);
      if (known === undefined) subnets.set(other, [name]);
      else known.push(name);
    }
  }
  const found = nodes.flatMap((node): readonly GatewayRow[] => {
    const { id, name, state, problem } = node;
    const served = (subnets.get(id) ?? []).toSorted();
    const head = { id, name, state, subnets: served, ...(problem !== undefined && { problem }) };
    if (node.kind === "gateway") return [{ ...head, what: node.what }];
    return node.kind === "node" && served.length > 0 ? [{ ...head, what: "node" }] : [];
  });
  const urgency = ({ state }: GatewayRow): number => ["error", "warning", "unknown", "ok"].indexOf(state);
  return found.toSorted((a, b) => urgency(a) - urgency(b));
}
