// SPDX-License-Identifier: Apache-2.0

import type { Family } from "../net/address.ts";
import { macFromNumber } from "../net/mac.ts";
import type { AllocationPlan } from "./allocation-decision.ts";
import { OwnerMap } from "./owner-map.ts";
import { LeaseRecord, type SubnetState } from "./subnet.ts";
import type { AddressLease } from "./types.ts";

/** An address, a MAC or more of a subnet may have become free: what `owner` held, or, without `owner`, anything. */
export type FreedListener = (subnet: string, owner?: string) => void;

/** The leases of all owners. Keeps each subnet's addresses, MACs and counters in step with them. */
export class LeaseTable {
  #leases = new OwnerMap<LeaseRecord>();
  readonly #freed: FreedListener;

  constructor(freed: FreedListener) {
    this.#freed = freed;
  }

  /** The lease of an owner. */
  get(owner: string): LeaseRecord | undefined {
    return this.#leases.get(owner);
  }

  /** All leases, in no particular order. The table must not change meanwhile. */
  values(): Iterable<LeaseRecord> {
    return this.#leases.values();
  }

  /** Adds a lease whose addresses and MAC are taken already. */
  add(lease: LeaseRecord): void {
    this.#leases.add(lease);
    lease.subnet.leases++;
  }

  /** Forgets all leases without a call of the listener. */
  clear(): void {
    this.#leases = new OwnerMap();
  }

  /** Takes what a plan gives to an owner, and releases what it replaces. */
  carryOut(owner: string, plan: AllocationPlan): void {
    const { subnet, v4, v6, mac } = plan;
    let lease = plan.existing;
    if (lease !== undefined && lease.subnet !== subnet) {
      this.drop(lease);
      lease = undefined;
    }
    if (lease === undefined) {
      lease = new LeaseRecord(owner, subnet, undefined, undefined, undefined);
      this.add(lease);
    }
    if (lease.v4 !== v4) {
      if (lease.v4 !== undefined) subnet.v4?.release(lease.v4);
      lease.v4 = v4;
      if (v4 !== undefined) subnet.v4?.take(v4, lease);
    }
    if (lease.v6 !== v6) {
      if (lease.v6 !== undefined) subnet.v6?.release(lease.v6);
      lease.v6 = v6;
      if (v6 !== undefined) subnet.v6?.take(v6, lease);
    }
    if (lease.mac !== mac) {
      if (lease.mac !== undefined) subnet.macs.release(lease.mac, lease);
      lease.mac = mac;
      if (mac !== undefined) subnet.macs.take(mac, lease);
    }
    if (plan.how === "moved") {
      subnet.revision++;
      this.#freed(subnet.name, owner);
    }
  }

  /** Removes a lease and releases its addresses and MAC. */
  drop(lease: LeaseRecord): void {
    const { subnet } = lease;
    if (lease.v4 !== undefined) subnet.v4?.release(lease.v4);
    if (lease.v6 !== undefined) subnet.v6?.release(lease.v6);
    if (lease.mac !== undefined) subnet.macs.release(lease.mac, lease);
    this.#leases.delete(lease.owner);
    subnet.leases--;
    subnet.revision++;
    this.#freed(subnet.name, lease.owner);
  }
}

/** A lease as callers of the IPAM see it. */
export function leaseView(lease: LeaseRecord): AddressLease {
  return view(lease.owner, lease.subnet, lease.v4, lease.v6, lease.mac);
}

/** The lease that an owner has after a plan is carried out. */
export function planView(owner: string, plan: AllocationPlan): AddressLease {
  return view(owner, plan.subnet, plan.v4, plan.v6, plan.mac);
}

function view(
  owner: string,
  subnet: SubnetState,
  v4: LeaseRecord["v4"],
  v6: LeaseRecord["v6"],
  mac: number | undefined,
): AddressLease {
  return {
    owner,
    subnet: subnet.name,
    v4: v4 === undefined ? undefined : text(subnet, 4, v4),
    v6: v6 === undefined ? undefined : text(subnet, 6, v6),
    mac: mac === undefined ? undefined : macFromNumber(mac),
  };
}

function text(subnet: SubnetState, family: Family, at: NonNullable<LeaseRecord["v4"]>): string | undefined {
  return subnet.space(family)?.text(at);
}
