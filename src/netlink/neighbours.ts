// SPDX-License-Identifier: Apache-2.0

import type { Family } from "../net/address.ts";
import { absentAs } from "./absent.ts";
import {
  decodeNeighbour,
  encodeNeighbourDelete,
  encodeNeighbourDump,
  encodeNeighbourSet,
  type Neighbour,
  type NeighbourKey,
  type NeighbourSpec,
  RTM_NEWNEIGH,
} from "./neighbour-codec.ts";
import type { NetlinkSocket } from "./socket.ts";

export type { Neighbour, NeighbourKey, NeighbourSpec, NeighbourState } from "./neighbour-codec.ts";

/** The neighbours (ARP and NDP) of all interfaces or one. `proxy`: the table of proxy entries instead. */
export function listNeighbours(
  socket: NetlinkSocket,
  filter: { readonly index?: number; readonly family?: Family; readonly proxy?: boolean } = {},
): readonly Neighbour[] {
  return absentAs([], () =>
    socket
      .dump(encodeNeighbourDump(filter))
      .filter((message) => message.type === RTM_NEWNEIGH)
      .map((message) => decodeNeighbour(message.payload))
      .filter((neighbour) => neighbour !== undefined),
  );
}

/** Creates or replaces an entry; its default state is `permanent`. */
export function ensureNeighbour(socket: NetlinkSocket, spec: NeighbourSpec): void {
  socket.request(encodeNeighbourSet(spec));
}

/** Deletes an entry. `false` if it did not exist. */
export function deleteNeighbour(socket: NetlinkSocket, key: NeighbourKey): boolean {
  return absentAs(false, () => {
    socket.request(encodeNeighbourDelete(key));
    return true;
  });
}
