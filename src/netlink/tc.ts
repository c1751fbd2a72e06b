// SPDX-License-Identifier: Apache-2.0

import { absentAs } from "./absent.ts";
import {
  decodeQdisc,
  encodeQdiscDelete,
  encodeQdiscDump,
  encodeQdiscSet,
  type Qdisc,
  type QdiscSpec,
  RTM_NEWQDISC,
} from "./qdisc-codec.ts";
import type { NetlinkSocket } from "./socket.ts";
import type { TcHandle } from "./tc-message.ts";

export type { Qdisc, QdiscSpec } from "./qdisc-codec.ts";
export type { TcHandle } from "./tc-message.ts";

/** The queueing disciplines of all interfaces or one. */
export function listQdiscs(socket: NetlinkSocket, index?: number): readonly Qdisc[] {
  return socket
    .dump(encodeQdiscDump())
    .filter((message) => message.type === RTM_NEWQDISC)
    .map((message) => decodeQdisc(message.payload))
    .filter((qdisc) => index === undefined || qdisc.index === index);
}

/** Creates or replaces the qdisc of a parent; one of the same kind is changed in place. */
export function ensureQdisc(socket: NetlinkSocket, spec: QdiscSpec): void {
  socket.request(encodeQdiscSet(spec));
}

/** Deletes the qdisc of a parent. `false` if there was only the default one. */
export function deleteQdisc(socket: NetlinkSocket, index: number, parent: TcHandle): boolean {
  return absentAs(false, () => {
    socket.request(encodeQdiscDelete(index, parent));
    return true;
  });
}
