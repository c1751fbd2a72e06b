// SPDX-License-Identifier: Apache-2.0

import { retryDelay } from "../time/backoff.ts";
import type { Timers } from "../time/clock.ts";

/** Code that may throw, each call for one fact, object or unit. */
export const FAILURE_PARTS = [
  ...(["projection", "index", "derived fact", "listener", "unit", "claim"] as const),
  // `status` writes the status of an object; `task` runs without an object.
  ...(["status", "task"] as const),
] as const;

/** One of them. */
export type FailurePart = (typeof FAILURE_PARTS)[number];

/** What failed. */
export interface FailureSubject {
  readonly part: FailurePart;
  /** The derived facts, the listener or the task; "" if `part` is enough. */
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
  /** Attempts in a row that failed. */
  readonly attempts: number;
}

interface Entry {
  readonly subject: FailureSubject;
  attempts: number;
  cancel: () => void;
}

/**
 * The calls that threw and have not succeeded since. Each is reported, counted and retried after a back-off that doubles up to a minute. Shared by
 * all parts of a process, so that unexpected input affects only its own object.
 *
 * Without `onFailure` the exception is rethrown, for tests and for commands that run once.
 */
export class Failures {
  readonly #timers: Timers | undefined;
  readonly #onFailure: ((failure: Failure) => void) | undefined;
  readonly #entries = new Map<string, Entry>();
  readonly #counts = new Map<FailurePart, number>();
  readonly #onRecovered: (subject: FailureSubject) => void;
  /** Callers that wait until entries have been retried. */
  readonly #waiting = new Set<() => void>();

  /** `onFailure` is called for each failure, `onRecovered` when a failed call succeeds or is no longer needed. Neither may throw. */
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

  /** The number of exceptions since the start, by part. */
  get counts(): ReadonlyMap<FailurePart, number> {
    return this.#counts;
  }

  /**
   * Resolves when every current failure has been tried `attempts` times or has succeeded: transient failures are over by then. Units are not waited
   * for: they are retried only while the engine writes, so a caller that waits before that would wait for ever.
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

  /** Calls `work` now, and again after each pause until it does not throw. Returns whether the first call succeeded. */
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

  /** Records a failure. `again` is called after a pause and must call `failed` or `succeeded`. */
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

  /** Records a success, or that the call is no longer needed. */
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
