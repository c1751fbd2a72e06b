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
/** The request is not sent back with an error. */
const NETLINK_CAP_ACK = 10;
/** Errors come with a message. */
const NETLINK_EXT_ACK = 11;
/** The kernel heeds the filters of a listing (4.20). */
const NETLINK_GET_STRICT_CHK = 12;

/**
 * Where datagrams are received, one after the other: nothing waits between filling and copying it. The kernel makes
 * listings in pieces of 32 KiB at most; a single interface with hundreds of virtual functions is larger, but they are
 * not asked for.
 */
const RECEIVED = Buffer.alloc(65_536);
const MAX_DISCARDED = 65_536;

/** A descriptor of a netlink socket in the namespace that the thread is in; `fs.closeSync` closes it. */
export function openRouteFd(protocol: number = NETLINK_ROUTE): number {
  const fd = openSocket(AF_NETLINK, SOCK_RAW, protocol);
  try {
    setOption(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
    setOption(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
    setOption(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
    // struct sockaddr_nl; port 0 lets the kernel choose, and the kernel itself is the other end by default.
    const address = Buffer.alloc(12);
    address.writeUInt16LE(AF_NETLINK, 0);
    bind(fd, address);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** The same in the namespace of another socket, wherever the thread is. */
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

/** The answers on a socket, read without waiting. */
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
