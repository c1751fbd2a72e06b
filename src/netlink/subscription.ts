// SPDX-License-Identifier: Apache-2.0

import { closeSync } from "node:fs";
import { NetlinkError } from "./error.ts";
import { receive, setOption, watchReadable } from "./libc.ts";
import { decodeMessages, type NetlinkMessage } from "./message.ts";
import { NETLINK_NETFILTER, NETLINK_ROUTE, SOL_NETLINK } from "./route-fd.ts";

/** group → RTNLGRP_* (linux/rtnetlink.h), NFNLGRP_* (linux/netfilter/nfnetlink.h) */
const GROUPS = {
  link: 1,
  neighbour: 3,
  qdisc: 4,
  "ipv4-address": 5,
  "ipv4-route": 7,
  "ipv4-rule": 8,
  "ipv6-address": 9,
  "ipv6-route": 11,
  "ipv6-rule": 19,
  "ipv4-netconf": 24,
  "ipv6-netconf": 25,
  nftables: 7,
} as const;

/** A multicast group to subscribe to. `nftables` (NFNLGRP_NFTABLES) has another netlink protocol than the others and cannot be combined with them. */
export type NetlinkGroup = keyof typeof GROUPS;

/** The netlink protocol of these groups. Throws a TypeError if they have different ones. */
export function protocolOf(groups: readonly NetlinkGroup[]): number {
  const isNft = groups.map((group) => group === "nftables");
  if (isNft.includes(true) && isNft.includes(false)) throw new TypeError("nftables is watched alone");
  return isNft.includes(true) ? NETLINK_NETFILTER : NETLINK_ROUTE;
}

/**
 * An event of a subscription: a change (RTM_NEW*, RTM_DEL*, NFT_MSG_*); an overrun: changes were lost because they arrived faster than
 * they were read, so everything must be listed again; or a failure, after which it is closed.
 */
export type Notice =
  | { readonly type: "message"; readonly message: NetlinkMessage }
  | { readonly type: "overrun" }
  | { readonly type: "failed"; readonly error: NetlinkError };

/** A subscription; open until it is closed. Closing it twice is not an error. */
export interface Subscription {
  close(): void;
  /** Allows the process to exit while this is open. */
  unref(): void;
  /** Reverts `unref`. */
  ref(): void;
  [Symbol.dispose](): void;
}

const NETLINK_ADD_MEMBERSHIP = 1;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
/** Room for some thousands of changes while the event loop is busy. */
const RECEIVE_BUFFER = 4 << 20;
/** Changes read in one iteration of the event loop. */
const MAX_READS = 256;
/** More than fits into `RECEIVE_BUFFER`. */
const MAX_DISCARDED = 65_536;
const RECEIVED = Buffer.alloc(65_536);

/** The open subscriptions: the event loop alone does not keep them from being garbage-collected. */
const OPEN = new Set<Subscription>();

/** Subscribes on a netlink socket and takes ownership of it: it is closed with the subscription, or at once on failure. */
export function subscribeOn(
  fd: number,
  groups: readonly NetlinkGroup[],
  listener: (notice: Notice) => void,
): Subscription {
  try {
    setOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER);
    for (const group of groups) setOption(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, GROUPS[group]);
    return listen(fd, listener);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function listen(fd: number, listener: (notice: Notice) => void): Subscription {
  let open = true;
  const close = () => {
    if (!open) return;
    open = false;
    OPEN.delete(subscription);
    readiness.close();
    closeSync(fd);
  };
  const readiness = watchReadable(fd, () => {
    for (let reads = 0; open && reads < MAX_READS; reads++) {
      const notices = nextNotices(fd);
      if (notices.length === 0) return;
      for (const notice of notices) {
        if (!open) return;
        if (notice.type === "failed") close();
        listener(notice);
      }
    }
  });
  const subscription: Subscription = {
    close,
    unref: () => readiness.unref(),
    ref: () => readiness.ref(),
    [Symbol.dispose]: close,
  };
  OPEN.add(subscription);
  return subscription;
}

/** Reads the pending datagrams; empty if there are none. Does not throw. */
function nextNotices(fd: number): readonly Notice[] {
  try {
    const length = receive(fd, RECEIVED);
    if (length === "empty") return [];
    if (length === "overrun" || length > RECEIVED.length) {
      discard(fd);
      return [{ type: "overrun" }];
    }
    const messages = decodeMessages(Buffer.from(RECEIVED.subarray(0, length)));
    return messages.map((message) => ({ type: "message", message }));
  } catch (error) {
    const known = error instanceof NetlinkError;
    return [{ type: "failed", error: known ? error : new NetlinkError("system", "recv", String(error)) }];
  }
}

/**
 * The kernel drops further changes until the receive buffer has been read, and a caller that lists before would miss them. So the buffer
 * is discarded first, and the overrun reported afterwards.
 */
function discard(fd: number): void {
  for (let reads = 0; reads < MAX_DISCARDED; reads++) if (receive(fd, RECEIVED) === "empty") return;
}
