// SPDX-License-Identifier: Apache-2.0

import type { Malformed } from "./meta.ts";

/** One IP object: the record that an address is taken, and by whom. */
export interface IpFact extends Malformed {
  /** The object's name, which is also the logical port's: `<pod>.<namespace>`, `node-<node>`. */
  readonly key: string;
  readonly name: string;
  readonly uid: string;
  /** Who holds it: `namespace/pod`, `namespace/<virtual machine>`, `node:<node>`, `subnet:<subnet>` (its multicast querier), or "" for an address that a user reserved. */
  readonly holder: string;
  /** The provider of the pod's interface; `ovn` for the primary one. */
  readonly provider: string;
  readonly subnet: string;
  readonly node: string;
  readonly v4: string;
  readonly v6: string;
  readonly mac: string;
  /** Its resource version, on which giving it back depends: it must not go where somebody has just taken it over. */
  readonly version: string;
  /** UID of the pod it was given to; "" for objects that Kube-OVN or a user made. */
  readonly podUid: string;
  readonly podType: string;
  /** The record of the QoS that is active on the interface (`QOS_ANNOTATION`); absent for objects of older versions and of other programs. */
  readonly qos?: string;
  /** RFC 3339; of two records of one address the older one stands. */
  readonly created: string;
  /** True where a user keeps it although nobody uses it (`ovn.kubernetes.io/ip_reserved=true`). */
  readonly reserved: boolean;
  readonly deleting: boolean;
  readonly finalizers: readonly string[];
}

/**
 * An IP object whose address is another one's; derived by the allocator. Its pod gets no port: that no two ports have one
 * address holds although two records may, for the moment that it takes to give the later one up. So it is with a Vip or an OvnEip whose status
 * names another one's address: its key is then that of its owner in IPAM, which has a slash.
 */
export interface AddressConflictFact {
  readonly key: string;
  readonly message: string;
  /** The owner in IPAM that has the address. */
  readonly holder?: string;
}

/** An object that holds addresses without an IP object: a Vip, for one; derived. Its key is that of its fact, behind the kind's. */
export interface AddressHolderFact {
  readonly key: string;
  readonly subnet: string;
  /** "" for none of that family. */
  readonly v4: string;
  readonly v6: string;
  /** The object, for people: `Vip a`. */
  readonly who: string;
}
