// SPDX-License-Identifier: Apache-2.0

import { NetlinkError } from "./error.ts";
import { currentNetns, enter, type NetnsHandle, type NetnsRef } from "./netns.ts";
import { type NetlinkSocket, openNetlink } from "./socket.ts";

/**
 * The current network namespace of the thread. It is valid only within the function that it was passed to: afterwards,
 * and while the thread is in another namespace, everything that takes it throws `closed`.
 */
export interface Netns {
  /** As of `netnsIdentity` */
  readonly identity: string;
  /** A socket in the namespace, opened on first use and closed with the scope */
  readonly netlink: NetlinkSocket;
  /** Throws `closed` unless the thread is in this namespace, in this scope. */
  assertEntered(operation: string): void;
}

/**
 * Enters a network namespace once for several operations. `fn` must be synchronous, as is everything in
 * this folder: at an `await` the thread would continue with other work in the wrong namespace. TypeScript
 * refuses an async function ("Expected 3 arguments"); a promise that is returned nevertheless throws `invalid`.
 *
 * Throws `no-netns` if the namespace is gone.
 */
export function withNetns<F extends Work>(netns: NetnsRef, fn: F, ...synchronous: Synchronous<F>): ReturnType<F> {
  void synchronous;
  return enter(netns, (inside) => runScope(inside, fn));
}

/** The same in the current namespace of the thread: the host's, outside of `withNetns`. */
export function inOwnNetns<F extends Work>(fn: F, ...synchronous: Synchronous<F>): ReturnType<F> {
  void synchronous;
  return runScope(currentNetns(), fn);
}

type Work = (ns: Netns) => unknown;

/**
 * No further argument for a synchronous function, and one of type `never` for an asynchronous one. Depends on the
 * function's type, not its result's: as the operand of an async function's `return`, the result could be a promise.
 */
type Synchronous<F extends Work> = [Extract<ReturnType<F>, PromiseLike<unknown>>] extends [never]
  ? []
  : [never: "the function given must not be async"];

/** The scope whose function is running. */
let running: Scope | undefined;

function runScope<F extends Work>(inside: NetnsHandle, fn: F): ReturnType<F> {
  const outer = running;
  const scope = new Scope(inside.identity);
  running = scope;
  try {
    const result = fn(scope);
    if (isPromise(result)) {
      throw new NetlinkError("invalid", "withNetns", "the function given is asynchronous");
    }
    return result as ReturnType<F>;
  } finally {
    running = outer;
    scope.end();
  }
}

function isPromise(value: unknown): boolean {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

class Scope implements Netns {
  readonly identity: string;
  #netlink: NetlinkSocket | undefined;

  constructor(identity: string) {
    this.identity = identity;
  }

  get netlink(): NetlinkSocket {
    if (this.#netlink === undefined) {
      this.assertEntered("openNetlink");
      this.#netlink = openNetlink();
    }
    return this.#netlink;
  }

  assertEntered(operation: string): void {
    if (running !== this) throw new NetlinkError("closed", operation, "the thread is not in this network namespace");
  }

  end(): void {
    this.#netlink?.close();
  }
}
