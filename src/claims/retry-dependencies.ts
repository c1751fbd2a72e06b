// SPDX-License-Identifier: Apache-2.0

import { type Dependency, dependency, Topic } from "../facts/dependency.ts";
import type { FactReader } from "../facts/store.ts";
import type { Refusal } from "../ipam/refusal.ts";
import type { AddressRequest } from "../ipam/types.ts";

const ROOM = new Topic("room");
const LEASE = new Topic("lease");
const RECORDING = new Topic("recording");

/** The events in IPAM that a claim may wait for, in addition to changes of facts. */
export const ipamDependency = {
  /** Something of a subnet is free, or its configuration has changed. */
  room: (subnet: string): Dependency => ({ topic: ROOM, value: subnet }),
  /** The lease of an owner has been released. */
  lease: (owner: string): Dependency => ({ topic: LEASE, value: owner }),
  /** A decision for an owner is recorded or withdrawn. */
  recording: (owner: string): Dependency => ({ topic: RECORDING, value: owner }),
};

/** What a request that IPAM has refused waits for: the holders of the requested addresses, otherwise any free address in its subnets. */
export function dependenciesOfRefusal(
  reader: FactReader,
  { subnets, want }: AddressRequest,
  { code, holder }: Refusal,
): readonly Dependency[] {
  const pools = want.kind === "pool" ? want.pools : [];
  const places = [...subnets, ...pools.flatMap((pool) => reader.get("ipPools", pool)?.subnet ?? [])];
  const rooms = places.map(ipamDependency.room);
  // Their messages list the existing names.
  if (code === "SubnetUnknown") return [...rooms, dependency.all("subnets")];
  if (code === "PoolUnknown") return [...rooms, dependency.all("ipPools")];
  if (holder === undefined || (code !== "AddressInUse" && code !== "MacInUse")) return rooms;
  const lease = ipamDependency.lease(holder);
  return places.length === 1 ? [lease] : [...rooms, lease];
}

/** A key that is equal for equal requests of different owners. */
export function sameRequestKey(request: AddressRequest): string {
  return JSON.stringify({ ...request, owner: "" }, (_key, value) =>
    typeof value === "bigint" ? String(value) : value,
  );
}
