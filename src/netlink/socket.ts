// SPDX-License-Identifier: Apache-2.0

import { closeSync } from "node:fs";
import { NetlinkError } from "./error.ts";
import { type Answer, readAnswer, readSteadily, requestBytes } from "./exchange.ts";
import { send, sendOnPool } from "./libc.ts";
import { type NetlinkMessage, type NetlinkRequest, NLM_F_ACK, NLM_F_DUMP } from "./message.ts";
import { enter, type NetnsRef } from "./netns.ts";
import { datagramsOf, NETLINK_ROUTE, openRouteFd, openRouteFdBeside } from "./route-fd.ts";
import { type NetlinkGroup, type Notice, protocolOf, type Subscription, subscribeOn } from "./subscription.ts";

/**
 * A netlink socket in one network namespace, independent of the namespace that the thread enters later. It
 * keeps that namespace alive until closed.
 *
 * Calls are synchronous: the kernel processes a request within send(2), and the reply is available when send returns.
 */
export interface NetlinkSocket {
  /** Sends a request and returns the messages before the acknowledgement. Throws the kernel's error. */
  request(request: NetlinkRequest): readonly NetlinkMessage[];
  /**
   * The same for a request in which the kernel sleeps (deleting an interface waits for an RCU grace period, 10 ms and
   * more): it blocks a thread of libuv's pool, at most three at a time in this process. Later requests may overtake it.
   */
  requestAsync(request: NetlinkRequest): Promise<readonly NetlinkMessage[]>;
  /**
   * Sends a dump request. A dump that changed while it was read is repeated, at most 8 times; then throws `interrupted`. Throws
   * `no-memory` beyond 262,144 entries: use a filter of the kernel.
   */
  dump(request: NetlinkRequest): readonly NetlinkMessage[];
  /** Subscribes to changes in this socket's namespace, on a separate socket; this one may be closed before it. */
  subscribe(groups: readonly NetlinkGroup[], listener: (notice: Notice) => void): Subscription;
  close(): void;
  [Symbol.dispose](): void;
}

/** Out of the four threads that libuv has for files, name lookups and this. */
const MAX_ON_POOL = 3;

/** Opens a socket in a namespace, by default the current one of the thread. Throws `no-netns`, `permission`. */
export function openNetlink(netns?: NetnsRef, protocol: number = NETLINK_ROUTE): NetlinkSocket {
  return new RouteSocket(netns === undefined ? openRouteFd(protocol) : enter(netns, () => openRouteFd(protocol)));
}

class RouteSocket implements NetlinkSocket {
  #fd: number | undefined;
  #sequence = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  request(request: NetlinkRequest): readonly NetlinkMessage[] {
    return this.#exchange(request, NLM_F_ACK).messages;
  }

  async requestAsync(request: NetlinkRequest): Promise<readonly NetlinkMessage[]> {
    // A separate socket: on this one, concurrent requests would read its reply.
    const fd = openRouteFdBeside(this.#open(request.name));
    try {
      await withSlot(() => sendOnPool(fd, requestBytes(request, NLM_F_ACK, 1)));
      return readAnswer(datagramsOf(fd, request.name), request.name, 1).messages;
    } finally {
      closeSync(fd);
    }
  }

  dump(request: NetlinkRequest): readonly NetlinkMessage[] {
    return readSteadily(request.name, () => this.#exchange(request, NLM_F_DUMP));
  }

  subscribe(groups: readonly NetlinkGroup[], listener: (notice: Notice) => void): Subscription {
    return subscribeOn(openRouteFdBeside(this.#open("subscribe"), protocolOf(groups)), groups, listener);
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #open(operation: string): number {
    if (this.#fd === undefined) throw new NetlinkError("closed", operation, "the netlink socket is closed");
    return this.#fd;
  }

  #exchange(request: NetlinkRequest, kind: number): Answer {
    const fd = this.#open(request.name);
    this.#sequence = this.#sequence === 0xffff_ffff ? 1 : this.#sequence + 1;
    send(fd, requestBytes(request, kind, this.#sequence));
    return readAnswer(datagramsOf(fd, request.name), request.name, this.#sequence);
  }
}

let onPool = 0;
/** Requests that wait for a thread, first in first out. At most as many as there are pending calls of `requestAsync`. */
const waiting: (() => void)[] = [];

async function withSlot<T>(fn: () => Promise<T>): Promise<T> {
  if (onPool < MAX_ON_POOL) onPool++;
  // A request that ends hands over its slot, so that no other request takes it in between.
  else await new Promise<void>((resolve) => waiting.push(resolve));
  try {
    return await fn();
  } finally {
    const next = waiting.shift();
    if (next === undefined) onPool--;
    else next();
  }
}
