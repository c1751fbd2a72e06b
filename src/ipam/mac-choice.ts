// SPDX-License-Identifier: Apache-2.0

import { macNumberFromBytes, parseMacNumber } from "../net/mac.ts";
import type { MacTable } from "./mac-table.ts";
import { type Refusal, refuse } from "./refusal.ts";
import { macInUse } from "./refusal-messages.ts";
import type { LeaseRecord, SubnetState } from "./subnet.ts";
import type { AddressRequest } from "./types.ts";

/**
 * A source of new MAC addresses: six bytes for an owner's n-th attempt (from 0). The lowest two bits of the first byte are overwritten. It may be
 * random or, like `hashedMacs`, a function of its arguments. The bytes are read before the next call, so a source may reuse one array.
 */
export type MacSource = (owner: string, attempt: number) => Uint8Array;

/** The number of attempts before a request is refused. Two collisions in a row have a probability of about 2^-40. */
const ATTEMPTS = 64;

/**
 * The MAC of a new or changed lease: the requested one (annotation `mac_address`), if no other owner in the subnet's MAC domain has it; otherwise the
 * one that the owner has; otherwise a generated one. With `mac: "none"` only one that it has, except in a subnet without addresses.
 * @param source for generated MACs, that of the cluster ({@link clusterMacs}).
 */
export function pickMac(
  source: MacSource,
  subnet: SubnetState,
  request: AddressRequest,
  existing: LeaseRecord | undefined,
): number | undefined | Refusal {
  // In a subnet without addresses a lease has a MAC only. Addresses from an earlier record are kept.
  if (request.mac === "none" && (subnet.has(4) || subnet.has(6)))
    return existing?.subnet === subnet ? existing.mac : undefined;
  if (request.mac === undefined || request.mac === "none") {
    const current = existing?.subnet.macs === subnet.macs ? existing?.mac : undefined;
    if (current !== undefined) return current;
    const generated = generate(subnet.macs, source, request.owner);
    if (generated !== undefined) return generated;
    const message = `No free MAC address was found for "${request.owner}" in subnet "${subnet.name}": all candidates are in use; choose one in the mac_address annotation.`;
    return refuse("NoAvailableMac", message, { subnet: subnet.name });
  }
  const mac = parseMacNumber(request.mac);
  if (mac === undefined) {
    const message = `"${request.mac}" is not a valid MAC address of an interface; it must be six bytes such as 00:00:5e:00:53:01, not multicast and not all zero.`;
    return refuse("MacMalformed", message, { subnet: subnet.name, value: request.mac });
  }
  const holder = subnet.macs.holder(mac);
  const taken = holder === undefined ? subnet.macs.reservedFor(mac) : holder.owner;
  if (taken === undefined || taken === request.owner || (holder !== undefined && taken === request.from)) return mac;
  return macInUse(subnet, request.mac, taken);
}

/** The first candidate of a source that is neither in use nor reserved; `undefined` if all are. */
function generate(table: MacTable<LeaseRecord>, source: MacSource, owner: string): number | undefined {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const mac = macNumberFromBytes(source(owner, attempt));
    if (table.holder(mac) === undefined && table.reservedFor(mac) === undefined) return mac;
  }
  return undefined;
}

/**
 * The source of a cluster's MACs. The salt is the UID of the namespace kube-system, so that pods with equal names in two clusters on one network
 * have different MACs.
 * @param uid undefined if the namespace is not known.
 */
export function clusterMacs(uid: string | undefined): MacSource {
  return hashedMacs(uid ?? "weft");
}

/**
 * A MAC source without randomness: a hash of salt, owner and attempt (FNV-1a, twice over, mixed). An owner therefore gets the same MAC again even if
 * its record was lost. The salt makes the MACs of two clusters on one network differ.
 */
export function hashedMacs(salt: string): MacSource {
  const saltLow = fnv1a(salt, 0x811c9dc5);
  const saltHigh = fnv1a(salt, 0x01234567);
  const bytes = new Uint8Array(6);
  return (owner, attempt) => {
    const low = mix(fnv1a(owner, saltLow) ^ attempt);
    const high = mix(fnv1a(owner, saltHigh) ^ Math.imul(attempt + 1, 0x9e3779b1));
    bytes[0] = high >>> 8;
    bytes[1] = high;
    bytes[2] = low >>> 24;
    bytes[3] = low >>> 16;
    bytes[4] = low >>> 8;
    bytes[5] = low;
    return bytes;
  };
}

function fnv1a(text: string, seed: number): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}

/** The finalizer of MurmurHash3: every input bit reaches every output bit. */
function mix(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
