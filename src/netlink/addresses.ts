// SPDX-License-Identifier: Apache-2.0

import type { Family } from "../net/address.ts";
import { absentAs } from "./absent.ts";
import {
  type Address,
  type AddressKey,
  type AddressSpec,
  decodeAddress,
  encodeAddressDelete,
  encodeAddressDump,
  encodeAddressNew,
  RTM_NEWADDR,
} from "./address-codec.ts";
import type { NetlinkSocket } from "./socket.ts";

export type { Address, AddressKey, AddressSpec } from "./address-codec.ts";

/** The addresses of all interfaces or one, of both families or one. Empty if the interface does not exist. */
export function listAddresses(
  socket: NetlinkSocket,
  filter: { readonly index?: number; readonly family?: Family } = {},
): readonly Address[] {
  return absentAs([], () =>
    socket
      .dump(encodeAddressDump(filter))
      .filter((message) => message.type === RTM_NEWADDR)
      .map((message) => decodeAddress(message.payload))
      .filter((address) => address !== undefined),
  );
}

/**
 * Adds an address to an interface, or updates its flags and lifetimes. The kernel does not change the prefix length of an
 * existing IPv6 address: delete it first. Throws `not-found` if the interface does not exist.
 */
export function ensureAddress(socket: NetlinkSocket, spec: AddressSpec): void {
  socket.request(encodeAddressNew(spec, true));
}

/** Deletes an address from an interface. `false` if it did not have it. */
export function deleteAddress(socket: NetlinkSocket, key: AddressKey & { readonly peer?: string }): boolean {
  return absentAs(false, () => {
    socket.request(encodeAddressDelete(key));
    return true;
  });
}
