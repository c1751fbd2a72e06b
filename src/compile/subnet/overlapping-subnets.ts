// SPDX-License-Identifier: Apache-2.0

import { isOvnProvider } from "../../api/annotations.ts";
import { getOrAdd } from "../../collections/get-or-add.ts";
import type { SubnetSpecFact } from "../../facts/subnet.ts";
import { isRouted } from "../../facts/underlay.ts";
import { AddressTable } from "../../net/address-table.ts";
import type { Dual } from "../../net/dual.ts";

/**
 * Finds the subnets that overlap, in their specs or in their accepted configurations, in one network. A network is a VPC's router, and within the VPC a vlan;
 * networks of other plugins are distinguished by their providers. Subnets of two peered VPCs are neighbours as well. Which of two is refused: `subnet-conflicts.ts`.
 */
export class OverlappingSubnets {
  readonly #specs = new Map<string, SubnetSpecFact>();
  /** Network, or VPC → its subnets. */
  readonly #tables = new Map<string, AddressTable>();

  /** A subnet was added, changed or, with `undefined`, deleted. */
  set(name: string, spec: SubnetSpecFact | undefined): void {
    const former = this.#specs.get(name);
    if (spec === undefined) this.#specs.delete(name);
    else this.#specs.set(name, spec);
    const wanted = new Set(spec && tablesOf(spec));
    for (const key of new Set([...wanted, ...((former && tablesOf(former)) ?? [])])) {
      const table = getOrAdd(this.#tables, key, () => new AddressTable());
      table.set(name, spec !== undefined && wanted.has(key) ? rangesIn(spec) : []);
      if (table.isEmpty) this.#tables.delete(key);
    }
  }

  /** The others that overlap a subnet, by name. `peersOf`: the VPCs that a VPC is peered with. */
  of(name: string, peersOf: (vpc: string) => readonly string[]): readonly string[] {
    const spec = this.#specs.get(name);
    if (spec === undefined) return [];
    const peers = isOvnProvider(spec.provider) ? peersOf(spec.vpc).map(anyVlan) : [];
    const found = [...networks(spec), ...peers].flatMap((key) =>
      rangesIn(spec).flatMap((range) => this.#overlapping(key, range)),
    );
    return [...new Set(found)].filter((other) => other !== name).sort();
  }

  /** The subnets of a VPC on OVN, in any vlan, that overlap a range. */
  inVpc(vpc: string, range: Dual<string>): readonly string[] {
    return this.#overlapping(anyVlan(vpc), range);
  }

  #overlapping(key: string, range: Dual<string>): readonly string[] {
    const { v4 = [], v6 = [] } = this.#tables.get(key)?.overlapping(range) ?? {};
    return [...v4, ...v6];
  }
}

/** A subnet with a vlan to which the VPC's router is connected is also in the network of the overlay subnets. */
function networks(spec: SubnetSpecFact): readonly string[] {
  const { vpc, vlan, provider } = spec;
  if (!isOvnProvider(provider)) return [JSON.stringify({ provider })];
  return [vlan, ...(vlan !== "" && isRouted(spec) ? [""] : [])].map((name) => JSON.stringify({ vpc, vlan: name }));
}

function anyVlan(vpc: string): string {
  return JSON.stringify({ vpc });
}

/** The tables that a subnet is in. */
function tablesOf(spec: SubnetSpecFact): readonly string[] {
  return isOvnProvider(spec.provider) ? [...networks(spec), anyVlan(spec.vpc)] : networks(spec);
}

/** The ranges that a subnet has, and those of its spec. */
function rangesIn({ problem, cidr, accepted }: SubnetSpecFact): readonly Dual<string>[] {
  return [...(problem === undefined ? [cidr] : []), ...(accepted === undefined ? [] : [accepted.cidr])];
}
