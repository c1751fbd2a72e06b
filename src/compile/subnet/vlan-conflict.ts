// SPDX-License-Identifier: Apache-2.0

import type { FactReader } from "../../facts/store.ts";
import type { FactTypes } from "../../facts/types.ts";

type VlanFact = FactTypes["vlans"];

/** Of Vlans with one id in one network the oldest has it. Undefined if the Vlan has its id, otherwise the name of the oldest one. */
export function ownerOfVlanId(reader: FactReader, vlan: VlanFact): string | undefined {
  if (vlan.id === 0) return undefined;
  const older = reader.by("vlans", "tag", vlanTag(vlan)).filter((other) => ageOf(other) < ageOf(vlan));
  return older.toSorted((a, b) => (ageOf(a) < ageOf(b) ? -1 : 1))[0]?.name;
}

/** Key of index `tag`: the same for Vlans whose subnets are in one broadcast domain. */
export function vlanTag({ network, id }: VlanFact): string {
  return `${network}/${id}`;
}

function ageOf({ created, name }: VlanFact): string {
  return `${created}/${name}`;
}
