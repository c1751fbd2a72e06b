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

/** A kind of change to hear of. `nftables` (NFNLGRP_NFTABLES) comes over another protocol than the others, and so not together with them. */
export type NetlinkGroup = keyof typeof GROUPS;

/** The protocol over which changes of these kinds come. Throws a TypeError for a mixture. */
export function protocolOf(groups: readonly NetlinkGroup[]): number {
  const isNft = groups.map((group) => group === "nftables");
  if (isNft.includes(true) && isNft.includes(false)) throw new TypeError("nftables is watched alone");
  return isNft.includes(true) ? NETLINK_NETFILTER : NETLINK_ROUTE;
}

/**
 * What a subscription hears: a change (RTM_NEW*, RTM_DEL*, NFT_MSG_*); or that changes were lost because they came faster than
 * they were read, so that everything must be listed again; or that it is broken, and closed.
 */
export type Notice =
  | { readonly type: "message"; readonly message: NetlinkMessage }
  | { readonly type: "overrun" }
  | { readonly type: "failed"; readonly error: NetlinkError };

/** A subscription; it lasts until it is closed. Closing it twice is not an error. */
export interface Subscription {
  close(): void;
  /** Lets the process end though this is open. */
  unref(): void;
  /** Takes `unref` back. */
  ref(): void;
  [Symbol.dispose](): void;
}

const NETLINK_ADD_MEMBERSHIP = 1;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
/** Room for some thousands of changes while the program is at something else. */
const RECEIVE_BUFFER = 4 << 20;
/** Changes read in one go; then the rest of the program has its turn. */
const MAX_READS = 256;
/** More than fits into `RECEIVE_BUFFER`. */
const MAX_DISCARDED = 65_536;
const RECEIVED = Buffer.alloc(65_536);

/** Those that are open: the event loop alone does not keep one from being collected. */
const OPEN = new Set<Subscription>();

/** Subscribes on a netlink socket, which it closes in the end, and at once if that fails. */
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

/** What there is to read; empty if there is nothing. Does not throw. */
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
 * Until what had room is read, the kernel throws away whatever comes: who lists before that would miss it. So all of it
 * goes first, and then it is said that something went.
 */
function discard(fd: number): void {
  for (let reads = 0; reads < MAX_DISCARDED; reads++) if (receive(fd, RECEIVED) === "empty") return;
}
