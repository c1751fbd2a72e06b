// SPDX-License-Identifier: Apache-2.0

import { samePlain } from "../collections/plain.ts";
import type { Effect } from "../desired/fragment.ts";
import { retryDelay } from "../time/backoff.ts";
import type { Timers } from "../time/clock.ts";

/**
 * Carries out an effect. It is retried after a rejection. `isWanted`: whether its unit still returns this effect, which may change meanwhile.
 */
export type RunEffect<E extends Effect> = (effect: E, isWanted: () => boolean) => Promise<void>;

interface Entry<E extends Effect> {
  wanted: E;
  /** The unit that returned it last; only that unit can withdraw it. */
  unit: string;
  /** The effect that was carried out last; equal ones are not repeated while the unit keeps returning them. */
  done?: E;
  running: boolean;
  /** To be carried out again after the current run. */
  again?: boolean;
  attempts: number;
  retry?: () => void;
}

/**
 * Carries out the effects of committed units: one at a time per key, at most `limit` at once, the newest version only. An
 * effect that fails is retried with growing delays until it succeeds or its unit no longer returns it.
 */
export class EffectRunner<E extends Effect> {
  readonly #run: RunEffect<E>;
  readonly #timers: Timers;
  readonly #limit: number;
  readonly #onError: (effect: E, error: unknown) => void;
  /** unit → keys of the effects it returned last. */
  readonly #byUnit = new Map<string, readonly string[]>();
  /** effect key → its state. */
  readonly #entries = new Map<string, Entry<E>>();
  /** Keys ready to run, in order. */
  readonly #ready = new Set<string>();
  #running = 0;
  #stopped = false;

  constructor(options: {
    run: RunEffect<E>;
    timers: Timers;
    limit: number;
    onError: (effect: E, error: unknown) => void;
  }) {
    this.#run = options.run;
    this.#timers = options.timers;
    this.#limit = options.limit;
    this.#onError = options.onError;
  }

  /** The number of waiting and running effects. */
  get pending(): number {
    return this.#ready.size + this.#running;
  }

  /**
   * Sets the effects of a unit; earlier ones that are not in the list are withdrawn. `renew`: effects that were carried out are repeated.
   */
  offer(unit: string, effects: readonly E[], renew = false): void {
    if (this.#stopped) return;
    const before = this.#byUnit.get(unit) ?? [];
    // There are few.
    const keys = effects.map((effect) => effect.key);
    for (const key of before) if (!keys.includes(key)) this.#withdraw(key, unit);
    if (keys.length === 0) this.#byUnit.delete(unit);
    else this.#byUnit.set(unit, keys);
    for (const effect of effects) this.#want(effect, unit, renew);
    this.#pump();
  }

  /** Starts no further effects; running ones complete. */
  stop(): void {
    this.#stopped = true;
    for (const entry of this.#entries.values()) entry.retry?.();
    this.#entries.clear();
    this.#ready.clear();
    this.#byUnit.clear();
  }

  #want(effect: E, unit: string, renew: boolean): void {
    const entry = this.#entries.get(effect.key);
    if (entry === undefined) {
      this.#entries.set(effect.key, { wanted: effect, unit, running: false, attempts: 0 });
      this.#ready.add(effect.key);
      return;
    }
    entry.unit = unit;
    if (samePlain(entry.wanted, effect)) {
      if (!renew || entry.retry !== undefined) return;
      if (entry.running) entry.again = true;
      else this.#ready.add(effect.key);
      return;
    }
    entry.wanted = effect;
    entry.attempts = 0;
    entry.retry?.();
    delete entry.retry;
    if (!entry.running) this.#ready.add(effect.key);
  }

  #withdraw(key: string, unit: string): void {
    const entry = this.#entries.get(key);
    if (entry?.unit !== unit) return;
    entry.retry?.();
    this.#ready.delete(key);
    this.#entries.delete(key);
  }

  #pump(): void {
    for (const key of this.#ready) {
      if (this.#running >= this.#limit) return;
      this.#ready.delete(key);
      const entry = this.#entries.get(key);
      if (entry === undefined) continue;
      this.#running++;
      entry.running = true;
      void this.#attempt(key, entry);
    }
  }

  async #attempt(key: string, entry: Entry<E>): Promise<void> {
    const effect = entry.wanted;
    let failure: unknown;
    try {
      await this.#run(effect, () => this.#entries.get(key) === entry && entry.wanted === effect);
      entry.done = effect;
    } catch (error) {
      failure = error ?? new Error("unknown");
    }
    this.#running--;
    entry.running = false;
    if (this.#entries.get(key) === entry) {
      const again = entry.again === true || !samePlain(entry.wanted, effect);
      delete entry.again;
      if (again) this.#ready.add(key);
      else if (failure !== undefined) this.#later(key, entry);
    }
    if (failure !== undefined) this.#onError(effect, failure);
    this.#pump();
  }

  #later(key: string, entry: Entry<E>): void {
    entry.attempts++;
    entry.retry = this.#timers.after(retryDelay(entry.attempts), () => {
      delete entry.retry;
      this.#ready.add(key);
      this.#pump();
    });
  }
}
