// SPDX-License-Identifier: Apache-2.0

import { podUnit } from "../compile/pod/pod.ts";
import type { Fragment } from "../desired/fragment.ts";
import { splitUnitId, unitId } from "../desired/unit-kind.ts";
import type { FactReader } from "../facts/store.ts";
import { parseIp } from "../net/address.ts";
import { Network } from "../reachability/network.ts";

/** The compiled units of the controller. */
export interface CompiledUnits {
  units(): Iterable<string>;
  fragment(unit: string): Pick<Fragment, "rows" | "edges"> | undefined;
}

/**
 * The network with the ports of some pods only, for questions about these: thousands of other pods are most of a network, and no rule about two ends asks for the ports of others. Pods that
 * routes lead to are in it, because they may forward packets.
 *
 * `holders`: as in `PodFact.holder`; `addresses`: of which the pods with them are in it too.
 */
export function networkOf(
  facts: FactReader,
  compiled: CompiledUnits,
  { holders, addresses }: { readonly holders: Iterable<string>; readonly addresses: Iterable<string> },
): Network {
  const pods = new Set(holders);
  for (const address of [...addresses, ...nextHops(facts)])
    for (const { holder } of facts.by("ips", "address", parseIp(address)?.text ?? address)) pods.add(holder);
  return new Network(facts, fragments(compiled, pods));
}

function* fragments(compiled: CompiledUnits, pods: ReadonlySet<string>): Generator<Pick<Fragment, "rows" | "edges">> {
  for (const unit of compiled.units()) {
    if (splitUnitId(unit).kind === podUnit.name) continue;
    const fragment = compiled.fragment(unit);
    if (fragment !== undefined) yield fragment;
  }
  for (const holder of pods) {
    const fragment = compiled.fragment(unitId(podUnit.name, holder));
    if (fragment !== undefined) yield fragment;
  }
}

function nextHops(facts: FactReader): readonly string[] {
  const routed = facts
    .all("vpcs")
    .flatMap(({ staticRoutes, policyRoutes }) => [
      ...staticRoutes.map(({ nextHopIp }) => nextHopIp),
      ...policyRoutes.flatMap(({ nextHops: hops }) => hops),
    ]);
  return [...routed, ...facts.all("subnets").flatMap(({ egress }) => egress.gateway.split(","))];
}
