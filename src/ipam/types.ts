// SPDX-License-Identifier: Apache-2.0

import type { Family, Ip } from "../net/address.ts";
import type { Dual } from "../net/dual.ts";
import type { IpRange } from "../net/range.ts";
import type { SubnetAddresses } from "../net/subnet-addresses.ts";
import type { Refusal } from "./refusal.ts";

/** The configuration of a subnet. `subnetConfig` creates it from the fields of a Subnet. */
export interface SubnetConfig extends SubnetAddresses {
  readonly name: string;
  /** IPPools of the subnet. Their addresses are allocated only to requests that name the pool or the address. */
  readonly pools: readonly PoolConfig[];
  /** The name of the broadcast domain in which MACs must be unique, usually that of the VPC. Absent: one for this subnet alone. */
  readonly macDomain?: string | undefined;
  /** MACs that are never allocated, and their holders: `gateway/<subnet>` for the router port's. */
  readonly reservedMacs?: readonly { readonly mac: string; readonly holder: string }[] | undefined;
}

/** An IPPool: a part of one subnet's addresses. */
export interface PoolConfig {
  /** Unique in the cluster, not only in the subnet. */
  readonly name: string;
  readonly ranges: readonly IpRange[];
  /** The namespaces that may use its addresses; all if empty. */
  readonly namespaces: readonly string[];
}

/** An address of a node, which is never allocated. */
export interface NodeAddress {
  readonly address: string;
  readonly node: string;
}

/** The requested address. */
export type Want =
  /** Any free address. */
  | { readonly kind: "any" }
  /** This one, or these two. In a dual-stack subnet a family that is not named is filled with any that is free. */
  | { readonly kind: "static"; readonly addresses: Dual<Ip> }
  /** The first free one of these. */
  | { readonly kind: "choice"; readonly tuples: readonly Dual<Ip>[] }
  /** Any free address of these IPPools, from the first with free addresses. */
  | { readonly kind: "pool"; readonly pools: readonly string[] };

/** A request to the allocator. */
export interface AddressRequest {
  /** The owner: the name of the IP object. An owner has at most one lease; the same request returns it again. */
  readonly owner: string;
  /** Subnets in the order in which they are tried; the first with free addresses is used. May be empty if `want` names pools. */
  readonly subnets: readonly string[];
  readonly want: Want;
  /** The namespace of the owner, if it has one: IPPools may be restricted to namespaces. */
  readonly namespace?: string | undefined;
  /** Only this family, in a dual-stack subnet. */
  readonly family?: Family | undefined;
  /** A canonical MAC; "none" for ports that get their MAC elsewhere. Absent: a new MAC. */
  readonly mac?: string | undefined;
  /** An owner whose address is handed over if it is the requested one: a Vip's, to the pod that takes it. */
  readonly from?: string | undefined;
  /** Whether an owner with another lease is moved to the new one. Otherwise such a request is refused. */
  readonly move?: boolean | undefined;
}

/** The lease of an owner. All texts are canonical. */
export interface AddressLease {
  readonly owner: string;
  readonly subnet: string;
  readonly v4?: string | undefined;
  readonly v6?: string | undefined;
  readonly mac?: string | undefined;
}

/** The result of a granted request. */
export interface AddressAllocation {
  readonly ok: true;
  readonly lease: AddressLease;
  /** `same`: the owner had exactly this lease; `extended`: it had a part of it; `moved`: it had another lease, which was released. */
  readonly how: "new" | "same" | "extended" | "moved";
}

/** The result of a request. */
export type AllocationDecision = AddressAllocation | Refusal;

/** The result of restoring a lease. */
export interface Reservation {
  /** The lease; `undefined` if nothing of the record could be restored. */
  readonly lease: AddressLease | undefined;
  /** The parts of the record that conflict with other leases. The other parts are restored. */
  readonly conflicts: readonly Refusal[];
}

/** The result of a new configuration, which is always applied. */
export interface ConfigurationResult {
  /** The parts that could not be applied, and what was done instead. */
  readonly problems: readonly Refusal[];
  /** Leases with an address outside the subnet's CIDR. They stay. */
  readonly outside: readonly AddressLease[];
}

/** The numbers of free and used addresses of one family. Exact above 2^53. */
export interface Counts {
  /** Free addresses that are allocated without an explicit request. */
  readonly available: bigint;
  /** Of a subnet: those in use that are not excluded, as Kube-OVN counts. Of an IPPool: all that are in use. */
  readonly using: bigint;
}

/** `Counts` and the ranges in Kube-OVN's form: "10.16.0.2-10.16.0.9,10.16.0.11". */
export interface Usage extends Counts {
  readonly availableRange: string;
  readonly usingRange: string;
}
