// SPDX-License-Identifier: Apache-2.0

import type { Family, Ip } from "../net/address.ts";
import { type Dual, dualValues, formatDual } from "../net/dual.ts";
import { type MacSource, pickMac } from "./mac-choice.ts";
import type { Offset } from "./offset.ts";
import { listOf, type Refusal, refuse } from "./refusal.ts";
import {
  holderText,
  mostSpecificRefusal,
  nothingAvailable,
  poolNotForNamespace,
  poolUnknown,
  subnetUnknown,
  wrongFamily,
} from "./refusal-messages.ts";
import { checkRequestedAddresses } from "./requested-address.ts";
import type { LeaseRecord, SubnetState } from "./subnet.ts";
import type { AddressAllocation, AddressRequest, Want } from "./types.ts";

/** The state that a decision reads. */
export interface AllocationView {
  subnet(name: string): SubnetState | undefined;
  /** The subnet of an IPPool. */
  poolSubnet(pool: string): SubnetState | undefined;
  lease(owner: string): LeaseRecord | undefined;
  /** All names, for the message of a refusal. */
  subnetNames(): Iterable<string>;
  poolNames(): Iterable<string>;
  readonly macs: MacSource;
}

/** A decision that can be carried out: the new lease of the owner. */
export interface AllocationPlan {
  readonly ok: true;
  readonly how: AddressAllocation["how"];
  readonly subnet: SubnetState;
  readonly v4: Offset | undefined;
  readonly v6: Offset | undefined;
  readonly mac: number | undefined;
  /** The current lease of the owner. */
  readonly existing: LeaseRecord | undefined;
}

/** One candidate: a subnet and one of its pools ("" for none). */
interface Candidate {
  readonly subnet: SubnetState;
  readonly pool: string;
}

/**
 * Decides a request: subnet, addresses and MAC, or a refusal. The MAC is `pickMac`'s choice. Both families or none. Changes nothing. The owner keeps its current addresses where the
 * request allows it.
 */
export function decide(view: AllocationView, request: AddressRequest): AllocationPlan | Refusal {
  const existing = view.lease(request.owner);
  const refusals: Refusal[] = [];
  const keeps = (c: Candidate): boolean => existing !== undefined && keepsAddresses(c, request.want, existing);
  let candidates = findCandidates(view, request, keeps, refusals);
  if (existing !== undefined && candidates.length > 1) {
    candidates = candidates.toSorted((a, b) => Number(keeps(b)) - Number(keeps(a)));
  }
  for (const candidate of candidates) {
    const outcome = attempt(view, candidate, request, existing);
    if (outcome.ok) {
      return outcome.how === "moved" && request.move !== true ? holdsAnother(request, outcome) : outcome;
    }
    refusals.push(outcome);
  }
  return mostSpecificRefusal(request, refusals);
}

function findCandidates(
  view: AllocationView,
  request: AddressRequest,
  keeps: (candidate: Candidate) => boolean,
  refusals: Refusal[],
): Candidate[] {
  const { want, subnets } = request;
  const candidates: Candidate[] = [];
  if (want.kind !== "pool") {
    for (const name of subnets) {
      const subnet = view.subnet(name);
      if (subnet !== undefined) candidates.push({ subnet, pool: "" });
      else refusals.push(subnetUnknown(name, view.subnetNames()));
    }
    return candidates;
  }
  for (const pool of want.pools) {
    const subnet = view.poolSubnet(pool);
    if (subnet === undefined) {
      refusals.push(poolUnknown(pool, view.poolNames()));
    } else if (subnets.length > 0 && !subnets.includes(subnet.name)) {
      const where = listOf(subnets.map((name) => `"${name}"`));
      const message = `IPPool "${pool}" belongs to subnet "${subnet.name}", but the address must come from ${where}; choose an IPPool of that subnet.`;
      refusals.push(refuse("PoolNotInSubnet", message, { subnet: subnet.name, value: pool }));
    } else if (!subnet.poolIsFor(pool, request.namespace) && !keeps({ subnet, pool })) {
      refusals.push(poolNotForNamespace(subnet, pool, request.namespace));
    } else {
      candidates.push({ subnet, pool });
    }
  }
  return candidates;
}

function attempt(
  view: AllocationView,
  { subnet, pool }: Candidate,
  request: AddressRequest,
  existing: LeaseRecord | undefined,
): AllocationPlan | Refusal {
  const { want, family } = request;
  const held = existing?.subnet === subnet ? existing : undefined;
  const v4Wanted = family !== 6 && subnet.has(4);
  const v6Wanted = family !== 4 && subnet.has(6);
  let v4: Offset | undefined;
  let v6: Offset | undefined;

  if (!subnet.has(4) && !subnet.has(6)) {
    if (want.kind !== "any" || family !== undefined) {
      const message = `Subnet "${subnet.name}" has no cidrBlock: Weft allocates only the MAC address of its ports; do not request an IP address.`;
      return refuse("SubnetHasNoAddresses", message, { subnet: subnet.name });
    }
  } else if (!v4Wanted && !v6Wanted) {
    return wrongFamily(subnet, family ?? 4);
  } else {
    let named: Dual<Ip> | undefined;
    if (want.kind === "static") {
      const refusal = checkRequestedAddresses(subnet, request, want.addresses);
      if (refusal !== undefined) return refusal;
      named = want.addresses;
    } else if (want.kind === "choice") {
      const chosen = choose(subnet, request, want.tuples, held);
      if ("ok" in chosen) return chosen;
      named = chosen;
    }
    if (v4Wanted) v4 = pick(subnet, 4, pool, named?.v4, want, held);
    if (v6Wanted && (v4 !== undefined || !v4Wanted)) v6 = pick(subnet, 6, pool, named?.v6, want, held);
    if (v4Wanted && v4 === undefined) return nothingAvailable(subnet, 4, pool, request);
    if (v6Wanted && v6 === undefined) return nothingAvailable(subnet, 6, pool, request);
  }

  const mac = pickMac(view.macs, subnet, request, existing);
  if (typeof mac === "object") return mac;
  return { ok: true, how: compare(subnet, v4, v6, mac, existing), subnet, v4, v6, mac, existing };
}

/** The address of one family: the requested one, the current one, or the next free one. */
function pick(
  subnet: SubnetState,
  family: Family,
  pool: string,
  named: Ip | undefined,
  want: Want,
  held: LeaseRecord | undefined,
): Offset | undefined {
  const space = subnet.space(family);
  if (space === undefined) return undefined;
  if (named !== undefined) return space.offset(named);
  const current = family === 4 ? held?.v4 : held?.v6;
  if (current !== undefined) {
    const zone = space.zoneOf(current);
    const usable = zone?.kind === "auto" || zone?.kind === "excluded";
    if (usable && (want.kind !== "pool" || zone.pool === pool)) return current;
  }
  return space.next(pool);
}

/** The one that the owner holds, otherwise the first free one of several. */
function choose(
  subnet: SubnetState,
  request: AddressRequest,
  tuples: readonly Dual<Ip>[],
  held: LeaseRecord | undefined,
): Dual<Ip> | Refusal {
  if (held !== undefined) {
    const own = tuples.find((tuple) => dualValues(tuple).every((ip) => isHeld(subnet, held, ip)));
    if (own !== undefined) return own;
  }
  const refusals: Refusal[] = [];
  for (const tuple of tuples) {
    const refusal = checkRequestedAddresses(subnet, request, tuple);
    if (refusal === undefined) return tuple;
    refusals.push(refusal);
  }
  const taken = refusals.filter((refusal) => refusal.code === "AddressInUse");
  if (taken.length === 0) {
    return (
      refusals[0] ?? refuse("PoolMalformed", "The list of addresses in ip_pool is empty.", { subnet: subnet.name })
    );
  }
  const holders = listOf(taken.map(({ value, holder }) => `${value} is in use by ${holderText(holder ?? "")}`));
  const message = `None of the ${tuples.length} entries of ip_pool (${listOf(tuples.map(formatDual))}) is free in subnet "${subnet.name}": ${holders}; release one or add another.`;
  return refuse("NoAvailableAddress", message, { subnet: subnet.name });
}

function compare(
  subnet: SubnetState,
  v4: Offset | undefined,
  v6: Offset | undefined,
  mac: number | undefined,
  existing: LeaseRecord | undefined,
): AddressAllocation["how"] {
  if (existing === undefined) return "new";
  const keeps =
    existing.subnet === subnet &&
    (existing.v4 === undefined || existing.v4 === v4) &&
    (existing.v6 === undefined || existing.v6 === v6) &&
    (existing.mac === undefined || existing.mac === mac);
  if (!keeps) return "moved";
  return existing.v4 === v4 && existing.v6 === v6 && existing.mac === mac ? "same" : "extended";
}

function isHeld(subnet: SubnetState, held: LeaseRecord, ip: Ip): boolean {
  const at = subnet.space(ip.family)?.offset(ip);
  return at !== undefined && at === (ip.family === 4 ? held.v4 : held.v6);
}

/** Whether the lease of an owner is from this candidate. */
function keepsAddresses({ subnet, pool }: Candidate, want: Want, existing: LeaseRecord): boolean {
  if (existing.subnet !== subnet) return false;
  if (want.kind !== "pool") return true;
  const { v4, v6 } = existing;
  return (
    (v4 === undefined || subnet.v4?.zoneOf(v4)?.pool === pool) &&
    (v6 === undefined || subnet.v6?.zoneOf(v6)?.pool === pool)
  );
}

function holdsAnother(request: AddressRequest, plan: AllocationPlan): Refusal {
  const { existing } = plan;
  const parts = existing === undefined ? [] : [existing.v4, existing.v6];
  const texts = parts.flatMap((at, i) =>
    at === undefined ? [] : (existing?.subnet.space(i === 0 ? 4 : 6)?.text(at) ?? []),
  );
  const what = texts.length === 0 ? "a MAC address" : texts.join(" and ");
  const message = `"${request.owner}" holds ${what} in subnet "${existing?.subnet.name}", which does not match the request; it must be released first.`;
  return refuse("HoldsAnother", message, {
    subnet: existing?.subnet.name,
    value: texts.join(","),
    holder: request.owner,
  });
}
