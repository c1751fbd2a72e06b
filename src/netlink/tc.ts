// SPDX-License-Identifier: Apache-2.0

import { absentAs } from "./absent.ts";
import {
  type ClassSpec,
  decodeClass,
  encodeClassDelete,
  encodeClassDump,
  encodeClassSet,
  RTM_NEWTCLASS,
  type TrafficClass,
} from "./class-codec.ts";
import {
  decodeFilter,
  encodeFilterAdd,
  encodeFilterDelete,
  encodeFilterDump,
  type Filter,
  type FilterSpec,
  RTM_NEWTFILTER,
} from "./filter-codec.ts";
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
import { handleNumber, type TcHandle } from "./tc-message.ts";

export type { ClassSpec, TrafficClass } from "./class-codec.ts";
export type { Filter, FilterSpec } from "./filter-codec.ts";
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

/**
 * Ensures the qdisc of a parent. An existing tbf is changed in place. An htb cannot be changed: one with the same handle and
 * default class is kept with its classes and filters, and any other is replaced.
 */
export function ensureQdisc(socket: NetlinkSocket, spec: QdiscSpec): void {
  if (spec.kind === "htb") {
    const parent = spec.parent ?? "root";
    const there = listQdiscs(socket, spec.index).find((qdisc) => qdisc.kind === "htb" && qdisc.parent === parent);
    if (there !== undefined) {
      if (isSameHtb(there, spec)) return;
      deleteQdisc(socket, spec.index, parent);
    }
  }
  socket.request(encodeQdiscSet(spec));
}

function isSameHtb(there: Qdisc, wanted: QdiscSpec & { readonly kind: "htb" }): boolean {
  const number = (handle: TcHandle | undefined) => handleNumber("RTM_NEWQDISC", handle ?? "0:");
  const sameHandle = wanted.handle === undefined || number(wanted.handle) === number(there.handle);
  // Only the minor number of the default class is compared.
  return sameHandle && (number(wanted.defaultClass) & 0xffff) === (number(there.defaultClass) & 0xffff);
}

/** Deletes the qdisc of a parent, with its classes and filters. `false` if there was only the default one. */
export function deleteQdisc(socket: NetlinkSocket, index: number, parent: TcHandle): boolean {
  return deleted(() => socket.request(encodeQdiscDelete(index, parent)));
}

/** The classes of an interface. Empty if it does not exist. */
export function listClasses(socket: NetlinkSocket, index: number): readonly TrafficClass[] {
  return absentAs([], () =>
    socket
      .dump(encodeClassDump(index))
      .filter((message) => message.type === RTM_NEWTCLASS)
      .map((message) => decodeClass(message.payload)),
  );
}

/** Creates or changes a class of an htb. Throws `not-found` if the parent does not exist. */
export function ensureClass(socket: NetlinkSocket, spec: ClassSpec): void {
  socket.request(encodeClassSet(spec));
}

/** Deletes a class. `false` if it did not exist; throws `busy` while it has child classes or filters. */
export function deleteClass(socket: NetlinkSocket, index: number, handle: TcHandle): boolean {
  return deleted(() => socket.request(encodeClassDelete(index, handle)));
}

/** The filters on a qdisc or class, in the order of evaluation. */
export function listFilters(socket: NetlinkSocket, index: number, parent: TcHandle): readonly Filter[] {
  return absentAs([], () =>
    socket
      .dump(encodeFilterDump(index, parent))
      .filter((message) => message.type === RTM_NEWTFILTER)
      .map((message) => decodeFilter(message.payload))
      .filter((filter) => filter !== undefined),
  );
}

/** Adds a filter. The kernel does not check for an identical one. */
export function addFilter(socket: NetlinkSocket, spec: FilterSpec): void {
  socket.request(encodeFilterAdd(spec));
}

/** Deletes every filter of a priority. `false` if there was none. */
export function deleteFilters(
  socket: NetlinkSocket,
  at: { readonly index: number; readonly parent: TcHandle; readonly priority: number },
): boolean {
  return deleted(() => socket.request(encodeFilterDelete(at)));
}

function deleted(fn: () => unknown): boolean {
  return absentAs(false, () => {
    fn();
    return true;
  });
}
