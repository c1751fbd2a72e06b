// SPDX-License-Identifier: Apache-2.0

/** The codes of refusals. A closed list. */
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
  | "ReservationConflict"
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

/** A refused request. Never thrown: it is a returned value. */
export interface Refusal {
  readonly ok: false;
  readonly code: RefusalCode;
  /** The message for an Event or a condition: the value, its holder, and what would be accepted. */
  readonly message: string;
  /** The subnet that refused, if it was one. */
  readonly subnet?: string | undefined;
  /** The value that was refused: an address, a MAC, a pool, an annotation. */
  readonly value?: string | undefined;
  /** The holder of the value, if any. */
  readonly holder?: string | undefined;
  /** The invalid IPPool. */
  readonly pool?: string | undefined;
}

/** Kube-OVN's error names for refused addresses (`pkg/ipam`): its users and tests look for them in Events. */
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

/** The Event's message for a refusal: Kube-OVN's error name, if there is one, and our message. */
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
