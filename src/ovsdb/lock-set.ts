// SPDX-License-Identifier: Apache-2.0

import { OvsdbError } from "./errors.ts";
import { Gate } from "./gate.ts";
import { isJsonObject, type Json } from "./json.ts";
import { Listeners } from "./listeners.ts";
import type { Lock, LockState } from "./lock.ts";
import type { ReplyHandler } from "./session.ts";

/** The part of a session that locks use. */
export interface LockCaller {
  call(method: string, params: readonly Json[], onReply: ReplyHandler): unknown;
  /** Closes the connection; the next one requests the locks again. */
  fail(error: OvsdbError): void;
}

/** The locks of one client, RFC 7047 §4.1.8 to §4.1.11. Without I/O: the client passes connections and notifications. */
export class LockSet {
  readonly #onError: (error: unknown) => void;
  /** Name → the lock that was requested and not released. */
  readonly #locks = new Map<string, OwnLock>();
  #caller: LockCaller | undefined;

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Throws a TypeError if the name has been requested already. */
  add(name: string, steal: boolean): Lock {
    if (this.#locks.has(name)) throw new TypeError(`lock ${name} has been requested already`);
    const lock = new OwnLock(name, steal, this.#onError, () => this.#release(lock));
    this.#locks.set(name, lock);
    if (this.#caller !== undefined) lock.request(this.#caller);
    return lock;
  }

  isHeld(name: string): boolean {
    return this.#locks.get(name)?.state === "held";
  }

  /** A new connection: every lock is requested. */
  attach(caller: LockCaller): void {
    this.#caller = caller;
    for (const lock of this.#locks.values()) lock.request(caller);
  }

  /** The connection is lost, and with it every lock. */
  detach(): void {
    this.#caller = undefined;
    for (const lock of this.#locks.values()) lock.drop();
  }

  /** A `locked` or `stolen` notification. */
  notify(method: "locked" | "stolen", params: readonly Json[]): void {
    const [name] = params;
    const lock = typeof name === "string" ? this.#locks.get(name) : undefined;
    if (method === "locked") lock?.granted();
    else lock?.drop();
  }

  /** Ends all locks. */
  close(error: OvsdbError): void {
    this.#caller = undefined;
    for (const lock of this.#locks.values()) lock.end(error);
    this.#locks.clear();
  }

  #release(lock: OwnLock): Promise<void> {
    if (this.#locks.get(lock.name) !== lock) return Promise.resolve();
    this.#locks.delete(lock.name);
    lock.end(new OvsdbError("closed", `lock ${lock.name} has been released`));
    const caller = this.#caller;
    if (caller === undefined) return Promise.resolve();
    // If the connection breaks before the answer, the server has released the lock as well.
    return new Promise((resolve) => {
      try {
        caller.call("unlock", [lock.name], () => resolve());
      } catch {
        resolve();
      }
    });
  }
}

class OwnLock implements Lock {
  readonly name: string;
  #state: LockState = "waiting";
  #steal: boolean;
  /** The server has answered the request on this connection: later notifications concern it. */
  #answered = false;
  readonly #gate = new Gate();
  readonly #listeners: Listeners<LockState>;
  readonly #onRelease: () => Promise<void>;

  constructor(name: string, steal: boolean, onError: (error: unknown) => void, onRelease: () => Promise<void>) {
    this.name = name;
    this.#steal = steal;
    this.#listeners = new Listeners(onError);
    this.#onRelease = onRelease;
  }

  get state(): LockState {
    return this.#state;
  }

  onChange(listener: (state: LockState) => void): () => void {
    return this.#listeners.add(listener);
  }

  whenHeld(signal?: AbortSignal): Promise<void> {
    return this.#gate.wait(signal);
  }

  release(): Promise<void> {
    return this.#onRelease();
  }

  request(caller: LockCaller): void {
    this.#answered = false;
    const method = this.#steal ? "steal" : "lock";
    // Stolen once, not again after each loss of the connection: two clients would steal it from each other without
    // end.
    this.#steal = false;
    try {
      caller.call(method, [this.name], (error, result) => {
        if (error !== undefined) {
          caller.fail(error);
          return;
        }
        this.#answered = true;
        if (isJsonObject(result) && result["locked"] === true) this.granted();
      });
    } catch (error) {
      caller.fail(OvsdbError.from(error, "protocol"));
    }
  }

  granted(): void {
    if (this.#answered && this.#state !== "released") this.#become("held");
  }

  drop(): void {
    if (this.#state === "held") this.#become("lost");
  }

  end(error: OvsdbError): void {
    this.#become("released");
    this.#gate.close(error);
    this.#listeners.clear();
  }

  #become(state: LockState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#gate.set(state === "held");
    this.#listeners.emit(state);
  }
}
