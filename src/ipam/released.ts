// SPDX-License-Identifier: Apache-2.0

import { IntervalSet } from "./interval-set.ts";
import { mergeSpans, type Offset, type Span, spanSize } from "./offset.ts";

/** The number of recent releases whose order is kept. Older ones are kept as a set. */
const REMEMBERED_RELEASES = 16_384;

interface Entry {
  readonly at: Offset;
  /** When it was released, on a clock that the caller counts up. */
  readonly tick: number;
  previous: Entry | undefined;
  next: Entry | undefined;
}

/**
 * Released addresses in order of release: the one released longest ago is allocated first, because caches and connections may still refer to recent
 * ones. A pool of millions of addresses must not need memory for each, so the order is kept for the latest `REMEMBERED_RELEASES` (and up to an eighth
 * more) only; older ones are a set and come first, in address order.
 */
export class ReleasedQueue {
  readonly #limit: number;
  /** The number moved into the set at a time: sorted, that is far faster than one by one. */
  readonly #batch: number;
  #old = new IntervalSet();
  #oldCount = 0;
  /** offset → its position in the queue */
  readonly #entries = new Map<Offset, Entry>();
  #head: Entry | undefined;
  #tail: Entry | undefined;
  /** The highest address that was ever released: a higher one is known not to wait by one comparison. */
  #highest: Offset = Number.NEGATIVE_INFINITY;

  constructor(limit: number = REMEMBERED_RELEASES) {
    this.#limit = limit;
    this.#batch = Math.max(1, limit >>> 3);
  }

  /** How many addresses are waiting. */
  get size(): number {
    return this.#oldCount + this.#entries.size;
  }

  /** Whether the address is waiting. */
  has(c: Offset): boolean {
    if (c > this.#highest) return false;
    return this.#entries.has(c) || (this.#oldCount > 0 && this.#old.has(c));
  }

  /** The next address to be allocated again. It stays in the queue. */
  first(): Offset | undefined {
    return this.#oldCount > 0 ? this.#old.first() : this.#head?.at;
  }

  /** Adds an address at the end. It must not be in the queue; ticks must not decrease. */
  push(c: Offset, tick: number): void {
    const entry: Entry = { at: c, tick, previous: this.#tail, next: undefined };
    if (this.#tail === undefined) this.#head = entry;
    else this.#tail.next = entry;
    this.#tail = entry;
    this.#entries.set(c, entry);
    if (c > this.#highest) this.#highest = c;
    if (this.#entries.size >= this.#limit + this.#batch) this.#forgetOldest();
  }

  /** Adds addresses to the set without order. None may be in the queue. */
  pushOld(span: Span, count: number): void {
    this.#old.add(span.first, span.last);
    this.#oldCount += count;
    if (span.last > this.#highest) this.#highest = span.last;
  }

  /** Removes an address; `false` if it was not waiting. */
  delete(c: Offset): boolean {
    if (c > this.#highest) return false;
    const entry = this.#entries.get(c);
    if (entry === undefined) {
      if (this.#oldCount === 0 || !this.#old.remove(c)) return false;
      this.#oldCount--;
      return true;
    }
    this.#entries.delete(c);
    if (entry.previous === undefined) this.#head = entry.next;
    else entry.previous.next = entry.next;
    if (entry.next === undefined) this.#tail = entry.previous;
    else entry.next.previous = entry.previous;
    return true;
  }

  /** The set without order of release, in address order. */
  oldSpans(): Iterable<Span> {
    return this.#old.spans();
  }

  /** The others, the longest released first. */
  *entries(): Generator<{ readonly at: Offset; readonly tick: number }, undefined, undefined> {
    for (let entry = this.#head; entry !== undefined; entry = entry.next) yield entry;
  }

  #forgetOldest(): void {
    const oldest: Span[] = [];
    for (let entry = this.#head; entry !== undefined && oldest.length < this.#batch; entry = entry.next) {
      oldest.push({ first: entry.at, last: entry.at });
    }
    for (const { first } of oldest) this.delete(first);
    for (const span of mergeSpans(oldest)) this.pushOld(span, Number(spanSize(span.first, span.last)));
  }
}
