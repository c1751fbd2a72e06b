// SPDX-License-Identifier: Apache-2.0

import { absentAs } from "./absent.ts";
import { NetlinkError } from "./error.ts";
import {
  decodeLink,
  encodeLinkCreate,
  encodeLinkDelete,
  encodeLinkDump,
  encodeLinkGet,
  encodeLinkSet,
  encodeVethCreate,
  type Link,
  type LinkAttributes,
  RTM_NEWLINK,
  type VethEnd,
} from "./link-codec.ts";
import type { NetlinkMessage } from "./message.ts";
import { type NetnsHandle, type NetnsRef, openNetns } from "./netns.ts";
import { type NetlinkSocket, openNetlink } from "./socket.ts";

export type { Link, OperState } from "./link-codec.ts";

/** A veth pair to make: this end in the socket's namespace, `peer` in `peer.netns`, or here if that is left out. */
export interface VethSpec extends VethEnd {
  /** Free text on this end */
  readonly alias?: string;
  readonly peer: VethEnd & { readonly netns?: NetnsRef };
}

/** What to change of an interface; what is left out stays. */
export interface LinkChange extends Omit<LinkAttributes, "netnsFd"> {
  /** Moves it there; its addresses and routes do not come along */
  readonly netns?: NetnsRef;
}

/** Every interface of the namespace. */
export function listLinks(socket: NetlinkSocket): readonly Link[] {
  return links(socket.dump(encodeLinkDump()));
}

/** An interface by name or index; `undefined` if there is none. */
export function getLink(socket: NetlinkSocket, which: string | number): Link | undefined {
  return absentAs(undefined, () => links(socket.request(encodeLinkGet(which)))[0]);
}

function links(messages: readonly NetlinkMessage[]): readonly Link[] {
  return messages
    .filter((message) => message.type === RTM_NEWLINK)
    .map((message) => decodeLink(message.payload))
    .filter((link) => link !== undefined);
}

function requireLink(socket: NetlinkSocket, name: string): Link {
  const link = getLink(socket, name);
  if (link === undefined) throw new NetlinkError("not-found", "RTM_GETLINK", `${name} was removed meanwhile`);
  return link;
}

/**
 * Makes a veth pair, the peer at once in its namespace, under its name, and up if so asked. Throws `exists` if either
 * name is taken in its namespace, `no-netns` if the peer's is gone; then neither end is there.
 * `peer` of the result is the other end's index, in its own namespace.
 */
export function createVeth(socket: NetlinkSocket, spec: VethSpec): { readonly link: Link; readonly peer: number } {
  const { netns, up, ...far } = spec.peer;
  const { alias } = spec;
  withDescriptor(netns, (fd) => socket.request(encodeVethCreate(spec, far, fd)));
  try {
    const link = requireLink(socket, spec.name);
    if (link.peer === undefined) throw new NetlinkError("protocol", "RTM_GETLINK", `${spec.name} has no other end`);
    if (up === true) setPeerUp(socket, netns, link.peer);
    if (alias === undefined) return { link, peer: link.peer };
    // The kernel reads no alias while it makes an interface.
    setLink(socket, link.index, { alias });
    return { link: { ...link, alias }, peer: link.peer };
  } catch (error) {
    deleteLink(socket, spec.name);
    throw error;
  }
}

/** In a request of its own: while a pair is being made, the end that is made first cannot be set up (ENOTCONN). */
function setPeerUp(socket: NetlinkSocket, netns: NetnsRef | undefined, index: number): void {
  if (netns === undefined) {
    setLink(socket, index, { up: true });
  } else {
    using there = openNetlink(netns);
    setLink(there, index, { up: true });
  }
}

/** An interface to make other than a veth. */
export interface LinkSpec extends Omit<LinkAttributes, "netnsFd"> {
  readonly name: string;
  /** "bridge", "ifb", "dummy" or "vlan" */
  readonly kind: string;
  /** ifindex of the interface below, for a VLAN */
  readonly parent?: number;
  /** VLAN number, 1 to 4094 */
  readonly vlan?: number;
}

/** Makes an interface. Throws `exists`, and `unsupported` if the kernel has no such kind. */
export function createLink(socket: NetlinkSocket, spec: LinkSpec): Link {
  const { kind, parent, vlan, alias, ...rest } = spec;
  const on = { ...(parent === undefined ? {} : { parent }), ...(vlan === undefined ? {} : { vlan }) };
  socket.request(encodeLinkCreate(kind, rest, on));
  const link = requireLink(socket, spec.name);
  if (alias === undefined) return link;
  setLink(socket, link.index, { alias });
  return { ...link, alias };
}

/** Changes an interface. Throws `not-found`, `exists` for a name that is taken. */
export function setLink(socket: NetlinkSocket, index: number, change: LinkChange): void {
  const { netns, ...attributes } = change;
  withDescriptor(netns, (netnsFd) =>
    socket.request(encodeLinkSet(index, netnsFd === undefined ? attributes : { ...attributes, netnsFd })),
  );
}

/** Deletes an interface, a veth with its other end. `false` if there was none. See `deleteLinkAsync`. */
export function deleteLink(socket: NetlinkSocket, which: string | number): boolean {
  return absentAs(false, () => {
    socket.request(encodeLinkDelete(which));
    return true;
  });
}

/**
 * The same without waiting on this thread: deleting takes the kernel 10 ms and more, nearly all of it sleep.
 * Resolves when the interface is gone.
 */
export async function deleteLinkAsync(socket: NetlinkSocket, which: string | number): Promise<boolean> {
  try {
    await socket.requestAsync(encodeLinkDelete(which));
    return true;
  } catch (error) {
    if (error instanceof NetlinkError && error.code === "not-found") return false;
    throw error;
  }
}

function withDescriptor<T>(netns: NetnsRef | undefined, fn: (fd: number | undefined) => T): T {
  if (netns === undefined) return fn(undefined);
  if (typeof netns !== "string") return fn(netns.fd);
  using handle: NetnsHandle = openNetns(netns);
  return fn(handle.fd);
}
