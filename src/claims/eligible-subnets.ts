// SPDX-License-Identifier: Apache-2.0

import { OVN_PROVIDER } from "../api/annotations.ts";
import type { FactReader } from "../facts/store.ts";
import type { SubnetFact } from "../facts/subnet.ts";
import { type Refusal, refuse } from "../ipam/refusal.ts";
import type { AddressRequest } from "../ipam/types.ts";
import { isUsable } from "./namespace-subnets.ts";

/** A request or a refusal. */
export type RequestResult = { readonly ok: true; readonly request: AddressRequest } | Refusal;

/** Which subnets may give an address, by their provider: those for pods' own interfaces, for any interface on OVN, or others as well. */
export interface SubnetEligibility {
  readonly accepts: (provider: string) => boolean;
  /** Why not, and which would be eligible. */
  readonly refusal: (provider: string) => string;
  /** Whether it is for nodes: only nodes have addresses of the join subnet, because hosts and rules treat them as a node's. */
  readonly nodes?: boolean;
}

/** For nodes. */
export const FOR_NODES: SubnetEligibility = { accepts: () => true, refusal: () => "", nodes: true };

/** For pods' own interfaces. */
export const FOR_PRIMARY_INTERFACES: SubnetEligibility = {
  accepts: (provider) => provider === OVN_PROVIDER,
  refusal: (provider) =>
    `is for secondary interfaces (provider "${provider}"), not for a pod's primary one; name a subnet of provider "${OVN_PROVIDER}"`,
};

/** For reservations of users. */
export const FOR_RESERVATIONS: SubnetEligibility = { accepts: () => true, refusal: () => "", nodes: true };

/** The request limited to accepted subnets: IPAM also knows the others, because of addresses in use. A refusal if none is left. */
export function withEligibleSubnets(
  facts: FactReader,
  request: AddressRequest,
  purpose: SubnetEligibility,
): RequestResult {
  const join = purpose.nodes === true ? undefined : facts.get("cluster", "cluster")?.joinSubnet;
  const isClosed = (name: string): boolean => {
    const subnet = facts.get("subnets", name);
    return subnet !== undefined && (name === join || !isUsable(facts, subnet) || !purpose.accepts(subnet.provider));
  };
  const notReady = (name: string): Refusal => closedRefusal(facts.get("subnets", name), name, name === join, purpose);
  const { want } = request;
  const subnets = request.subnets.filter((name) => !isClosed(name));
  const pools = want.kind === "pool" ? want.pools : [];
  const openPools = pools.filter((pool) => !isClosed(facts.get("ipPools", pool)?.subnet ?? ""));
  const closed = subnets.length < request.subnets.length ? request.subnets.find(isClosed) : undefined;
  if (closed !== undefined && subnets.length === 0) return notReady(closed);
  if (pools.length > 0 && openPools.length === 0) {
    const name = facts.get("ipPools", pools[0] ?? "")?.subnet ?? "";
    return notReady(name);
  }
  const asked = { ...request, subnets, want: want.kind === "pool" ? { ...want, pools: openPools } : want };
  return { ok: true, request: asked };
}

function closedRefusal(
  fact: SubnetFact | undefined,
  subnet: string,
  ofNodes: boolean,
  { accepts, refusal }: SubnetEligibility,
): Refusal {
  const why = ofNodes
    ? "is reserved for nodes; name another subnet"
    : fact !== undefined && !accepts(fact.provider)
      ? refusal(fact.provider)
      : "is not ready, or is being deleted; see its conditions, or name another subnet";
  return refuse("SubnetNotReady", `Subnet "${subnet}" ${why}.`, { subnet, value: subnet });
}
