// SPDX-License-Identifier: Apache-2.0

/** Why the allocator says no. Closed: a new reason needs a new name here. */
export type RefusalCode =
  // about addresses
  | "NoAvailableAddress"
  | "AddressInUse"
  | "AddressOutOfSubnet"
  | "AddressIsGateway"
  | "AddressIsNetwork"
  | "AddressIsBroadcast"
  | "AddressOfNode"
  | "AddressMalformed"
  | "FamilyMismatch"
  | "FamilyMalformed"
  | "SubnetHasNoAddresses"
  | "HoldsAnother"
  | "ReservationDisputed"
  | "ReservationUnmet"
  // about MACs
  | "MacInUse"
  | "MacMalformed"
  | "NoAvailableMac"
  // about pools
  | "PoolUnknown"
  | "PoolNotInSubnet"
  | "PoolNotForNamespace"
  | "PoolMalformed"
  | "PoolOverlap"
  | "PoolOutOfSubnet"
  | "PoolListTooShort"
  // about subnets
  | "SubnetUnknown"
  | "SubnetInUse"
  | "SubnetNotReady"
  // about Vips
  | "VipUnknown"
  | "VipNotReady"
  | "VipNotForPods"
  // about networks
  | "NetworkUnknown"
  | "NetworkUnclear"
  | "InterfaceNotSupported"
  | "NameTaken"
  // about annotations
  | "AnnotationUnknown";

/** A no. Never thrown: it is one of the values that a decision has. */
export interface Refusal {
  readonly ok: false;
  readonly code: RefusalCode;
  /** A whole sentence, for an Event or a condition: the value, who holds it, and what would be accepted. */
  readonly message: string;
  /** The subnet that said so, where it was one. */
  readonly subnet?: string | undefined;
  /** The value that was refused: an address, a MAC, a pool, an annotation. */
  readonly value?: string | undefined;
  /** Who holds the value, where somebody does. */
  readonly holder?: string | undefined;
  /** The IPPool whose definition is at fault. */
  readonly pool?: string | undefined;
}

/** Kube-OVN's words for what refuses an address (`pkg/ipam`): its users, and its tests, look for them in Events. */
const KUBE_OVN_WORDS: { readonly [code in RefusalCode]?: string } = {
  NoAvailableMac: "NoAvailableAddress",
  PoolListTooShort: "NoAvailableAddress",
  AddressInUse: "AddressConflict",
  AddressIsGateway: "AddressConflict",
  AddressOfNode: "AddressConflict",
  HoldsAnother: "AddressConflict",
  MacInUse: "AddressConflict",
  AddressOutOfSubnet: "AddressOutOfRange",
  AddressIsNetwork: "AddressOutOfRange",
  AddressIsBroadcast: "AddressOutOfRange",
  SubnetUnknown: "NoSubnet",
  FamilyMismatch: "InvalidIPFamily",
  FamilyMalformed: "InvalidIPFamily",
};

/** What an Event says of a refusal: Kube-OVN's word where it has one, and the sentence. */
export function eventMessage({ code, message }: Refusal): string {
  return `${KUBE_OVN_WORDS[code] ?? code}: ${message}`;
}

/** Makes a refusal. */
export function refuse(
  code: RefusalCode,
  message: string,
  about: Pick<Refusal, "subnet" | "value" | "holder" | "pool"> = {},
): Refusal {
  return { ok: false, code, message, ...about };
}

/** "a", "a and b", "a, b and c". At most `limit` are named; the rest is counted. */
export function listOf(items: readonly string[], limit = 5): string {
  const named = items.slice(0, limit);
  if (items.length > limit) return `${named.join(", ")} and ${items.length - limit} more`;
  const last = named.pop();
  if (last === undefined) return "none";
  return named.length === 0 ? last : `${named.join(", ")} and ${last}`;
}
