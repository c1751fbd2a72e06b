// SPDX-License-Identifier: Apache-2.0

import type { Family, Ip } from "../net/address.ts";
import type { Dual } from "../net/dual.ts";
import type { IpRange } from "../net/range.ts";
import type { SubnetAddresses } from "../net/subnet-addresses.ts";
import type { Refusal } from "./refusal.ts";

/** What the allocator must know of a subnet. `subnetConfig` makes it from the fields of a Subnet. */
export interface SubnetConfig extends SubnetAddresses {
  readonly name: string;
  /** IPPools of the subnet. Their addresses are given only to those who name the pool, or the address. */
  readonly pools: readonly PoolConfig[];
  /** The broadcast domain in which MACs must differ, by any name: usually the VPC's. The subnet's own name if absent. */
  readonly macDomain?: string | undefined;
  /** MACs that nobody may have, and whose they are: `gateway/<subnet>` for the router port's. */
  readonly reservedMacs?: readonly { readonly mac: string; readonly holder: string }[] | undefined;
}

/** An IPPool: a slice of one subnet's addresses. */
export interface PoolConfig {
  /** Unique in the cluster, not only in the subnet. */
  readonly name: string;
  readonly ranges: readonly IpRange[];
  /** Only these may have its addresses, whatever others name; all namespaces where there is none. */
  readonly namespaces: readonly string[];
}

/** An address that a node has, and which is therefore never given. */
export interface NodeAddress {
  readonly address: string;
  readonly node: string;
}

/** Which address somebody wants. */
export type Want =
  /** Any that is free. */
  | { readonly kind: "any" }
  /** This one, or these two. In a dual-stack subnet a family that is not named is filled with any that is free. */
  | { readonly kind: "static"; readonly addresses: Dual<Ip> }
  /** The first of these that is free. */
  | { readonly kind: "choice"; readonly tuples: readonly Dual<Ip>[] }
  /** Any that is free in one of these IPPools, the first with room. */
  | { readonly kind: "pool"; readonly pools: readonly string[] };

/** What somebody asks of the allocator. */
export interface AddressRequest {
  /** Who asks: the name of the IP object to be. One owner holds at most one lease, and asking again gives the same one. */
  readonly owner: string;
  /** Subnets in the order in which they are tried; the first with room wins. May be empty where `want` names pools. */
  readonly subnets: readonly string[];
  readonly want: Want;
  /** For whom it is; absent for what is of no namespace. Some IPPools are for some namespaces only. */
  readonly namespace?: string | undefined;
  /** Only this family, in a dual-stack subnet. */
  readonly family?: Family | undefined;
  /** A MAC of the caller's choice, canonical; "none" for ports that get theirs elsewhere. A new one if absent. */
  readonly mac?: string | undefined;
  /** An owner that gives up what it holds if that is what is asked for: a Vip for the pod that takes it. */
  readonly from?: string | undefined;
  /** Whether an owner that holds something else lets go of that, once the new is found. Otherwise that is refused. */
  readonly move?: boolean | undefined;
}

/** What an owner holds. Texts are canonical. */
export interface AddressLease {
  readonly owner: string;
  readonly subnet: string;
  readonly v4?: string | undefined;
  readonly v6?: string | undefined;
  readonly mac?: string | undefined;
}

/** The answer to a request that is met. */
export interface AddressAllocation {
  readonly ok: true;
  readonly lease: AddressLease;
  /** `same`: the owner held exactly this; `extended`: it held a part; `moved`: it held something else and has let go. */
  readonly how: "new" | "same" | "extended" | "moved";
}

/** The answer to a request. */
export type AllocationDecision = AddressAllocation | Refusal;

/** The outcome of loading what is already held. */
export interface Reservation {
  /** What the owner holds now; `undefined` if nothing of the record could be held. */
  readonly lease: AddressLease | undefined;
  /** What of the record disagrees with what is already known. Parts that do not are held all the same. */
  readonly conflicts: readonly Refusal[];
}

/** The outcome of a new configuration. It is always active afterwards. */
export interface ConfigurationResult {
  /** What of it could not be done, and what was done instead. */
  readonly problems: readonly Refusal[];
  /** Leases with an address that is not, or no longer, in the subnet's CIDR. They stay. */
  readonly outside: readonly AddressLease[];
}

/** How many addresses of one family are free and how many are in use. Exact beyond 2^53. */
export interface Counts {
  /** Those that are given to who asks for any. */
  readonly available: bigint;
  /** Of a subnet: those in use that are not excluded, as Kube-OVN counts. Of an IPPool: all that are in use. */
  readonly using: bigint;
}

/** `Counts`, and which they are, as Kube-OVN writes it: "10.16.0.2-10.16.0.9,10.16.0.11". */
export interface Usage extends Counts {
  readonly availableRange: string;
  readonly usingRange: string;
}
