// SPDX-License-Identifier: Apache-2.0

// Generated from crds/ippools.yaml by `npm run generate -- crds`. Do not edit.
import type { Condition } from "../conditions.ts";
import type { Count } from "../count.ts";

/** Desired state of the pool. */
export interface IPPoolSpec {
  /** Name of the Subnet that the addresses belong to. Immutable. */
  readonly subnet: string;
  /**
   * The addresses: single addresses, inclusive ranges and CIDRs. For example `10.16.0.201`, `10.16.0.220..10.16.0.230`,
   * `10.16.1.0/28`. Mutable. Must not overlap with another pool of the subnet.
   */
  readonly ips: readonly string[];
  /** Namespaces whose pods get their addresses from the pool. If empty, only pods that name the pool do. */
  readonly namespaces?: readonly string[];
  /**
   * Whether OVN gets an address set with the pool's addresses, for use in `policyRoutes` and `acls`. It is written
   * `$<name>`: the pool's name with dots instead of dashes, and with `_` in front if it begins with a digit. If an
   * older pool's address set has that name, a digest is appended, and the condition `Ready` has the full name.
   */
  readonly enableAddressSet?: boolean;
}

/**
 * Observed state. Counts of addresses are numbers up to 2^53 - 1 and decimal strings beyond that, because the API
 * server rounds larger numbers.
 */
export interface IPPoolStatus {
  /** Number of available IPv4 addresses. */
  readonly v4AvailableIPs?: Count;
  /** Available IPv4 addresses. */
  readonly v4AvailableIPRange?: string;
  /** Number of IPv4 addresses in use. */
  readonly v4UsingIPs?: Count;
  /** IPv4 addresses in use. */
  readonly v4UsingIPRange?: string;
  /** Number of available IPv6 addresses. */
  readonly v6AvailableIPs?: Count;
  /** Available IPv6 addresses. */
  readonly v6AvailableIPRange?: string;
  /** Number of IPv6 addresses in use. */
  readonly v6UsingIPs?: Count;
  /** IPv6 addresses in use. */
  readonly v6UsingIPRange?: string;
  /** `Ready`: the pool's addresses are reserved. */
  readonly conditions?: readonly Condition[];
}
