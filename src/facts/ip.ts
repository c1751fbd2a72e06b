// SPDX-License-Identifier: Apache-2.0

import type { Malformed } from "./meta.ts";

/** One IP object: the record of an address and its owner. */
export interface IpFact extends Malformed {
  /** The object's name, which is also the logical port's: `<pod>.<namespace>`, `node-<node>`. */
  readonly key: string;
  readonly name: string;
  readonly uid: string;
  /**
   * Its holder: `namespace/pod`, `namespace/<virtual machine>`, `node:<node>`, `subnet:<subnet>` (its multicast querier, its router), or "" for an address that a
   * user reserved.
   */
  readonly holder: string;
  /** The provider of the pod's interface; `ovn` for the primary one. */
  readonly provider: string;
  readonly subnet: string;
  readonly node: string;
  readonly v4: string;
  readonly v6: string;
  readonly mac: string;
  /** Its resource version, a precondition of its deletion: it must not be deleted if another pod has just taken it over. */
  readonly version: string;
  /** UID of its pod; "" for objects created by Kube-OVN or a user. */
  readonly podUid: string;
  readonly podType: string;
  /** The record of the QoS that is active on the interface (`QOS_ANNOTATION`); absent for objects of older versions and of other programs. */
  readonly qos?: string;
  /** RFC 3339; of two records of one address the older one is valid. */
  readonly created: string;
  /** True if a user reserves it although no pod uses it (`ovn.kubernetes.io/ip_reserved=true`). */
  readonly reserved: boolean;
  readonly deleting: boolean;
  readonly finalizers: readonly string[];
}

/**
 * An IP object with the address of another one; derived by the allocator. Its pod gets no port, so that no two ports have one address although two
 * records may have it until the later one is deleted. The same applies to a Vip or an OvnEip with the address of another object in its status: then
 * the key is that of its owner in IPAM, which contains a slash.
 */
export interface AddressConflictFact {
  readonly key: string;
  readonly message: string;
  /** The owner in IPAM that has the address. */
  readonly holder?: string;
}

/** An object that holds addresses without an IP object, such as a Vip; derived. Its key is the kind followed by the key of its fact. */
export interface AddressHolderFact {
  readonly key: string;
  readonly subnet: string;
  /** "" for none of that family. */
  readonly v4: string;
  readonly v6: string;
  /** The object, for messages: `Vip a`. */
  readonly who: string;
}
