// SPDX-License-Identifier: Apache-2.0

import { backoffDelay, withJitter } from "../time/backoff.ts";

/** A pause before the next server is dialled, and the number of pauses before it since the last stable connection. */
export interface ServerPause {
  readonly delayMs: number;
  readonly attempt: number;
}

/**
 * Chooses the server that a client dials next: the remotes in their order, again and again, from a random one. The next one is tried at once, but
 * after a pause when a round is complete or a new connection was lost at once: otherwise a server that accepts and drops would be dialled in a loop.
 * Whether a server that answers is suitable is decided in `server-status.ts`.
 */
export class NextServer {
  readonly #remotes: readonly string[];
  readonly #maxBackoffMs: number;
  readonly #random: () => number;
  /** Index of the remote to try next. */
  #next: number;
  /** Remotes that have failed since one was connected. */
  #failures = 0;
  /** Pauses since the last stable connection. */
  #pauses = 0;

  /** @param random from 0 to 1, without 1. */
  constructor(remotes: readonly string[], maxBackoffMs: number, random: () => number) {
    this.#remotes = remotes;
    this.#maxBackoffMs = maxBackoffMs;
    this.#random = random;
    // The clients of one cluster should not all begin with the same server.
    this.#next = Math.floor(random() * remotes.length);
  }

  /** The remote to dial now. */
  take(): string {
    const remote = this.#remotes[this.#next] ?? "";
    this.#next = (this.#next + 1) % this.#remotes.length;
    return remote;
  }

  /** A suitable server is connected. */
  connected(): void {
    this.#failures = 0;
  }

  /**
   * A server is not, or no longer, suitable. Returns the pause before the next one is dialled; undefined for none.
   * @param lastedMs how long it was connected; undefined if it was not.
   */
  failed(lastedMs?: number): ServerPause | undefined {
    // A connection that lasted at least as long as the next pause resets the backoff.
    const stable = lastedMs !== undefined && lastedMs >= this.#delay(this.#pauses + 1);
    if (stable) this.#pauses = 0;
    this.#failures++;
    const roundComplete = this.#failures % this.#remotes.length === 0;
    if (lastedMs === undefined ? !roundComplete : stable) return undefined;
    const attempt = this.#pauses++;
    return { delayMs: withJitter(this.#delay(this.#pauses), this.#random), attempt };
  }

  #delay(pauses: number): number {
    return backoffDelay(pauses, { firstMs: 100, maxMs: this.#maxBackoffMs });
  }
}
