// SPDX-License-Identifier: Apache-2.0

import { NetlinkError } from "./error.ts";
import { currentNetns, enter, type NetnsHandle, type NetnsRef } from "./netns.ts";
import { type NetlinkSocket, openNetlink } from "./socket.ts";

/**
 * A network namespace that the thread is in just now. It is good only within the function it was given to: afterwards,
 * and while the thread is in another namespace in between, everything that takes it throws `closed`.
 */
export interface Netns {
  /** As of `netnsIdentity` */
  readonly identity: string;
  /** A connection to the namespace, opened when first asked for and closed with the scope */
  readonly netlink: NetlinkSocket;
  /** Throws `closed` unless the thread is in this namespace, in this scope. */
  assertEntered(operation: string): void;
}

/**
 * Does many things in a network namespace with one way in and one way out. `fn` must be synchronous, and so is all that
 * this folder does: at an `await` the thread would go on with the work of others, in the wrong namespace. TypeScript
 * refuses an async function ("Expected 3 arguments"); what comes as a promise nevertheless throws `invalid`.
 *
 * Throws `no-netns` if the namespace is gone.
 */
export function withNetns<F extends Work>(netns: NetnsRef, fn: F, ...synchronous: Synchronous<F>): ReturnType<F> {
  void synchronous;
  return enter(netns, (inside) => runScope(inside, fn));
}

/** The same in the namespace that the thread is in anyway: the host's, outside of `withNetns`. */
export function inOwnNetns<F extends Work>(fn: F, ...synchronous: Synchronous<F>): ReturnType<F> {
  void synchronous;
  return runScope(currentNetns(), fn);
}

type Work = (ns: Netns) => unknown;

/**
 * No further argument for a function that is synchronous, and one that nobody can give for one that is not. Over the
 * function's type and not its result's: as the operand of an async function's `return`, the result could be a promise.
 */
type Synchronous<F extends Work> = [Extract<ReturnType<F>, PromiseLike<unknown>>] extends [never]
  ? []
  : [never: "the function given must not be async"];

/** The scope whose function runs. */
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
