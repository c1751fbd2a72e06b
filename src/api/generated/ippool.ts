// SPDX-License-Identifier: Apache-2.0

// Made from crds/ippools.yaml by `npm run generate -- crds`. Do not edit.
import type { Condition } from "../conditions.ts";
import type { Count } from "../count.ts";

/** What the pool is to be. */
export interface IPPoolSpec {
  /** Name of the Subnet whose addresses these are. Cannot be changed later. */
  readonly subnet: string;
  /**
   * The addresses: single ones, ranges with both ends included, and CIDRs. For example `10.16.0.201`,
   * `10.16.0.220..10.16.0.230`, `10.16.1.0/28`. May be changed later. No other pool of the subnet may have them.
   */
  readonly ips: readonly string[];
  /** Namespaces whose pods get their addresses from the pool. Empty: only pods that name the pool do. */
  readonly namespaces?: readonly string[];
  /**
   * Whether OVN gets an address set with the pool's addresses, for use in `policyRoutes` and `acls`: `$<name>`, with
   * dots for the dashes of the pool's name, and `_` before a digit at its beginning. Where an older pool has that name,
   * a digest follows, and the condition `Ready` says how the set is called.
   */
  readonly enableAddressSet?: boolean;
}

/**
 * What the controller found. Counts of addresses are numbers up to 2^53 - 1 and decimal strings beyond, because the API
 * server rounds large numbers.
 */
export interface IPPoolStatus {
  /** How many IPv4 addresses are free. */
  readonly v4AvailableIPs?: Count;
  /** The free IPv4 addresses. */
  readonly v4AvailableIPRange?: string;
  /** How many IPv4 addresses are in use. */
  readonly v4UsingIPs?: Count;
  /** The IPv4 addresses in use. */
  readonly v4UsingIPRange?: string;
  /** How many IPv6 addresses are free. */
  readonly v6AvailableIPs?: Count;
  /** The free IPv6 addresses. */
  readonly v6AvailableIPRange?: string;
  /** How many IPv6 addresses are in use. */
  readonly v6UsingIPs?: Count;
  /** The IPv6 addresses in use. */
  readonly v6UsingIPRange?: string;
  /** `Ready`: the pool's addresses are set aside. */
  readonly conditions?: readonly Condition[];
}
