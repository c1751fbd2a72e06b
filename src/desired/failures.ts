// SPDX-License-Identifier: Apache-2.0

import { retryDelay } from "../time/backoff.ts";
import type { Timers } from "../time/clock.ts";

/** What may throw, each about one fact, object or unit. */
export const FAILURE_PARTS = [
  ...(["projection", "index", "derived fact", "listener", "unit", "claim"] as const),
  // What is written into the status of an object; and what runs by itself, at no object.
  ...(["status", "task"] as const),
] as const;

/** One of them. */
export type FailurePart = (typeof FAILURE_PARTS)[number];

/** About what something threw. */
export interface FailureSubject {
  readonly part: FailurePart;
  /** Which derived facts, which listener or which task; "" where `part` says it all. */
  readonly where: string;
  /** The kind of the fact or of the unit. */
  readonly kind: string;
  readonly key: string;
  /** Of the object, where only the object is known. */
  readonly uid?: string;
}

/** An unexpected exception in our own code. The object that it is about keeps its state, and is retried. */
export interface Failure extends FailureSubject {
  readonly error: Error;
  /** So often running. */
  readonly attempts: number;
}

interface Entry {
  readonly subject: FailureSubject;
  attempts: number;
  cancel: () => void;
}

/**
 * What threw and has not succeeded since: each is retried after a back-off that doubles up to a minute, is reported and counted. Shared by all
 * parts of a process, so that an odd input stops nothing but itself.
 *
 * Without `onFailure` what threw is thrown on: tests, and commands that look once, want to hear of it.
 */
export class Failures {
  readonly #timers: Timers | undefined;
  readonly #onFailure: ((failure: Failure) => void) | undefined;
  readonly #entries = new Map<string, Entry>();
  readonly #counts = new Map<FailurePart, number>();
  readonly #onRecovered: (subject: FailureSubject) => void;
  /** Those who wait for entries to be tried. */
  readonly #waiting = new Set<() => void>();

  /** `onFailure` is called for each failure, `onRecovered` when what had failed succeeds or is not wanted any more. Neither may throw. */
  constructor(
    timers?: Timers,
    onFailure?: (failure: Failure) => void,
    onRecovered: (subject: FailureSubject) => void = () => undefined,
  ) {
    this.#timers = timers;
    this.#onFailure = onFailure;
    this.#onRecovered = onRecovered;
  }

  /** How many are failing now. */
  get size(): number {
    return this.#entries.size;
  }

  /** How often something threw since the start, by part. */
  get counts(): ReadonlyMap<FailurePart, number> {
    return this.#counts;
  }

  /**
   * Resolves when what is failing now has been tried so often, or has succeeded: what fails by chance seldom does so often. Units are left out, for
   * they are tried only while somebody writes: whoever waits before that would wait for ever.
   */
  whenTried(attempts: number): Promise<void> {
    const ids = [...this.#entries].flatMap(([id, { subject }]) => (subject.part === "unit" ? [] : [id]));
    return new Promise((resolve) => {
      const look = (): void => {
        if (ids.some((id) => (this.#entries.get(id)?.attempts ?? attempts) < attempts)) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
    });
  }

  /** Does `work` now, and once more after each pause as long as it throws. Returns whether it has succeeded now. */
  run(subject: FailureSubject, work: () => void): boolean {
    try {
      work();
    } catch (error) {
      this.failed(subject, error, () => this.run(subject, work));
      return false;
    }
    this.succeeded(subject);
    return true;
  }

  /** It threw. `again` is called after a pause; it is to call `failed` or `succeeded` once more. */
  failed(subject: FailureSubject, thrown: unknown, again: () => void): void {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
    if (this.#onFailure === undefined) throw error;
    const id = idOf(subject);
    const former = this.#entries.get(id);
    former?.cancel();
    const attempts = (former?.attempts ?? 0) + 1;
    const cancel = this.#timers?.after(retryDelay(attempts), again) ?? (() => undefined);
    this.#entries.set(id, { subject, attempts, cancel });
    this.#counts.set(subject.part, (this.#counts.get(subject.part) ?? 0) + 1);
    this.#onFailure({ ...subject, error, attempts });
    for (const look of [...this.#waiting]) look();
  }

  /** It did not throw, or is not wanted any more. */
  succeeded(subject: FailureSubject): void {
    if (this.#entries.size === 0) return;
    const id = idOf(subject);
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    entry.cancel();
    this.#entries.delete(id);
    this.#onRecovered(entry.subject);
    for (const look of [...this.#waiting]) look();
  }

  /** Stops all retries. */
  stop(): void {
    for (const { cancel } of this.#entries.values()) cancel();
    this.#entries.clear();
    for (const look of [...this.#waiting]) look();
  }
}

function idOf({ part, where, kind, key }: FailureSubject): string {
  return `${part}\0${where}\0${kind}\0${key}`;
}
