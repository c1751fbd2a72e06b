// SPDX-License-Identifier: Apache-2.0

import { type Dependency, dependency, Topic } from "../facts/dependency.ts";
import type { FactReader } from "../facts/store.ts";
import type { Refusal } from "../ipam/refusal.ts";
import type { AddressRequest } from "../ipam/types.ts";

const ROOM = new Topic("room");
const LEASE = new Topic("lease");
const RECORDING = new Topic("recording");

/** What of IPAM a claim may wait for. These are dependencies beside those on facts. */
export const ipamDependency = {
  /** Something of a subnet is free, or it is configured otherwise. */
  room: (subnet: string): Dependency => ({ topic: ROOM, value: subnet }),
  /** What an owner holds has come free. */
  lease: (owner: string): Dependency => ({ topic: LEASE, value: owner }),
  /** What was decided for an owner is recorded, or given up. */
  recording: (owner: string): Dependency => ({ topic: RECORDING, value: owner }),
};

/** What is in the way of a request that IPAM has refused: who holds what it names, or else whatever is held where it may come from. */
export function dependenciesOfRefusal(
  reader: FactReader,
  { subnets, want }: AddressRequest,
  { code, holder }: Refusal,
): readonly Dependency[] {
  const pools = want.kind === "pool" ? want.pools : [];
  const places = [...subnets, ...pools.flatMap((pool) => reader.get("ipPools", pool)?.subnet ?? [])];
  const rooms = places.map(ipamDependency.room);
  // Their sentences name those that there are.
  if (code === "SubnetUnknown") return [...rooms, dependency.all("subnets")];
  if (code === "PoolUnknown") return [...rooms, dependency.all("ipPools")];
  if (holder === undefined || (code !== "AddressInUse" && code !== "MacInUse")) return rooms;
  const lease = ipamDependency.lease(holder);
  return places.length === 1 ? [lease] : [...rooms, lease];
}

/** What is the same for all who ask for the same, whoever they are. */
export function sameRequestKey(request: AddressRequest): string {
  return JSON.stringify({ ...request, owner: "" }, (_key, value) =>
    typeof value === "bigint" ? String(value) : value,
  );
}
