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

/** A veth pair to create: this end in the socket's namespace, `peer` in `peer.netns` (default: here). */
export interface VethSpec extends VethEnd {
  /** Alias of this end, free text */
  readonly alias?: string;
  readonly peer: VethEnd & { readonly netns?: NetnsRef };
}

/** Changes of an interface; absent fields stay unchanged. */
export interface LinkChange extends Omit<LinkAttributes, "netnsFd"> {
  /** Moves it there; its addresses and routes are lost */
  readonly netns?: NetnsRef;
}

/** Every interface of the namespace. */
export function listLinks(socket: NetlinkSocket): readonly Link[] {
  return links(socket.dump(encodeLinkDump()));
}

/** An interface by name or index; `undefined` if it does not exist. */
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
 * Creates a veth pair, with the peer directly in its namespace, under its name, and up if requested. Throws `exists` if either
 * name is taken in its namespace, `no-netns` if the peer's namespace is gone; then neither end is created.
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
    // The kernel ignores an alias when it creates an interface.
    setLink(socket, link.index, { alias });
    return { link: { ...link, alias }, peer: link.peer };
  } catch (error) {
    deleteLink(socket, spec.name);
    throw error;
  }
}

/** In a separate request: the first end of a pair cannot be set up while the pair is being created (ENOTCONN). */
function setPeerUp(socket: NetlinkSocket, netns: NetnsRef | undefined, index: number): void {
  if (netns === undefined) {
    setLink(socket, index, { up: true });
  } else {
    using there = openNetlink(netns);
    setLink(there, index, { up: true });
  }
}

/** An interface to create, other than a veth. */
export interface LinkSpec extends Omit<LinkAttributes, "netnsFd"> {
  readonly name: string;
  /** "bridge", "ifb", "dummy" or "vlan" */
  readonly kind: string;
  /** ifindex of the parent of a VLAN */
  readonly parent?: number;
  /** VLAN ID, 1 to 4094 */
  readonly vlan?: number;
}

/** Creates an interface. Throws `exists`, or `unsupported` if the kernel has no such kind. */
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

/** Deletes an interface, a veth with its other end. `false` if it did not exist. See `deleteLinkAsync`. */
export function deleteLink(socket: NetlinkSocket, which: string | number): boolean {
  return absentAs(false, () => {
    socket.request(encodeLinkDelete(which));
    return true;
  });
}

/**
 * Deletes an interface without blocking this thread: the kernel sleeps for 10 ms and more.
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
