// SPDX-License-Identifier: Apache-2.0

import { closeSync } from "node:fs";
import { NetlinkError } from "./error.ts";
import type { Datagrams } from "./exchange.ts";
import { AF_NETLINK, bind, netnsOfSocket, openSocket, receive, SOCK_RAW, setOption } from "./libc.ts";
import { enter } from "./netns.ts";

/** Protocols of netlink(7). */
export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;
export const SOL_NETLINK = 270;
/** Errors do not contain the request. */
const NETLINK_CAP_ACK = 10;
/** Errors have a message (extended ACK). */
const NETLINK_EXT_ACK = 11;
/** The kernel applies the filters of dumps (Linux 4.20). */
const NETLINK_GET_STRICT_CHK = 12;

/**
 * The receive buffer, for one datagram at a time: it is filled and copied synchronously. The kernel makes
 * dumps in parts of at most 32 KiB; a single interface with hundreds of virtual functions is larger, but these are
 * not requested.
 */
const RECEIVED = Buffer.alloc(65_536);
const MAX_DISCARDED = 65_536;

/** A descriptor of a netlink socket in the current namespace of the thread; `fs.closeSync` closes it. */
export function openRouteFd(protocol: number = NETLINK_ROUTE): number {
  const fd = openSocket(AF_NETLINK, SOCK_RAW, protocol);
  try {
    setOption(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
    setOption(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
    setOption(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
    // struct sockaddr_nl; with port 0 the kernel chooses one, and the peer is the kernel by default.
    const address = Buffer.alloc(12);
    address.writeUInt16LE(AF_NETLINK, 0);
    bind(fd, address);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** A descriptor of a netlink socket in the namespace of another socket, whatever the current one of the thread is. */
export function openRouteFdBeside(socket: number, protocol: number = NETLINK_ROUTE): number {
  const fd = netnsOfSocket(socket);
  try {
    return enter({ fd, path: "", identity: "", close: () => {}, [Symbol.dispose]: () => {} }, () =>
      openRouteFd(protocol),
    );
  } finally {
    closeSync(fd);
  }
}

/** The replies on a socket, read without blocking. */
export function datagramsOf(fd: number, operation: string): Datagrams {
  return {
    next: () => {
      const length = receive(fd, RECEIVED);
      if (length === "empty") throw new NetlinkError("protocol", operation, "the kernel gave no answer");
      if (length === "overrun")
        throw new NetlinkError("no-memory", operation, "the kernel had no buffer space for its answer");
      if (length > RECEIVED.length) throw new NetlinkError("protocol", operation, `an answer of ${length} bytes`);
      return Buffer.from(RECEIVED.subarray(0, length));
    },
    discard: () => {
      for (let i = 0; i < MAX_DISCARDED; i++) if (receive(fd, RECEIVED) === "empty") return;
    },
  };
}
