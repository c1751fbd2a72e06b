// SPDX-License-Identifier: Apache-2.0

import { type IpRange, parseRange } from "../net/range.ts";
import { parseSubnetAddresses, type SubnetAddressFields, type SubnetAddressProblem } from "../net/subnet-addresses.ts";
import { type Refusal, refuse } from "./refusal.ts";
import type { PoolConfig, SubnetConfig } from "./types.ts";

/** The fields of a Subnet and its IPPools as their objects have them. */
export interface SubnetFields extends SubnetAddressFields {
  readonly name: string;
  readonly pools?: readonly PoolFields[] | undefined;
  readonly macDomain?: SubnetConfig["macDomain"];
  readonly reservedMacs?: SubnetConfig["reservedMacs"];
}

/** The fields of one IPPool. */
export interface PoolFields {
  readonly name: string;
  readonly ips: readonly string[];
  readonly namespaces?: readonly string[] | undefined;
}

/** The parsed fields. An invalid pool does not make the subnet invalid: its valid entries are used. */
export type ParsedSubnet =
  | { readonly ok: true; readonly config: SubnetConfig; readonly poolProblems: readonly Refusal[] }
  | { readonly ok: false; readonly problems: readonly SubnetAddressProblem[] };

/** Parses the fields of a Subnet and its IPPools, and returns all problems. */
export function subnetConfig({ name, pools = [], macDomain, reservedMacs, ...fields }: SubnetFields): ParsedSubnet {
  const parsed = parseSubnetAddresses(fields);
  if (!parsed.ok) return parsed;
  const poolProblems: Refusal[] = [];
  const read = parsePools(name, pools, poolProblems);
  return { ok: true, config: { name, ...parsed.addresses, pools: read, macDomain, reservedMacs }, poolProblems };
}

/** Parses the IPPools of a subnet. Valid entries are used; problems of the others are added to `problems`. */
export function parsePools(subnet: string, pools: readonly PoolFields[], problems: Refusal[]): readonly PoolConfig[] {
  return pools.map((pool) => {
    const ranges: IpRange[] = [];
    for (const text of pool.ips) {
      const range = parseRange(text);
      if (range !== undefined) ranges.push(range);
      else {
        const message = `"${text}" in ips of IPPool "${pool.name}" is invalid and ignored; it must be an address, a range such as 10.16.0.10..10.16.0.20, or a CIDR.`;
        problems.push(refuse("PoolMalformed", message, { subnet, value: text, holder: pool.name, pool: pool.name }));
      }
    }
    return { name: pool.name, ranges, namespaces: pool.namespaces ?? [] };
  });
}
