// SPDX-License-Identifier: Apache-2.0

import { IntervalSet } from "./interval-set.ts";
import { mergeSpans, type Offset, type Span, spanSize } from "./offset.ts";

/** How many of the latest releases are remembered in their order. What is older is remembered as a set. */
const REMEMBERED_RELEASES = 16_384;

interface Entry {
  readonly at: Offset;
  /** When it was released, on a clock that the caller counts up. */
  readonly tick: number;
  previous: Entry | undefined;
  next: Entry | undefined;
}

/**
 * Addresses that were released, in the order in which they came: the one that has lain longest is given again first,
 * because somebody may still remember a young one (neighbour caches, connections). A pool of millions of addresses
 * that pods pass through must not cost memory for each, so the order is kept of the latest `REMEMBERED_RELEASES` (and up
 * to an eighth more) and of those before only the set: they go first, in address order.
 */
export class ReleasedQueue {
  readonly #limit: number;
  /** How many are forgotten at a time: sorted, they are put into the set far faster than one by one. */
  readonly #batch: number;
  #old = new IntervalSet();
  #oldCount = 0;
  /** offset → its place in the queue */
  readonly #entries = new Map<Offset, Entry>();
  #head: Entry | undefined;
  #tail: Entry | undefined;
  /** No address that waits or has ever waited lies beyond this one: what was never given is told from it by one comparison. */
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

  /** The one to be given again next. It stays in the queue. */
  first(): Offset | undefined {
    return this.#oldCount > 0 ? this.#old.first() : this.#head?.at;
  }

  /** Puts an address at the end. It must not be in the queue; ticks must not run backwards. */
  push(c: Offset, tick: number): void {
    const entry: Entry = { at: c, tick, previous: this.#tail, next: undefined };
    if (this.#tail === undefined) this.#head = entry;
    else this.#tail.next = entry;
    this.#tail = entry;
    this.#entries.set(c, entry);
    if (c > this.#highest) this.#highest = c;
    if (this.#entries.size >= this.#limit + this.#batch) this.#forgetOldest();
  }

  /** Puts addresses among those whose order is forgotten. None may be in the queue. */
  pushOld(span: Span, count: number): void {
    this.#old.add(span.first, span.last);
    this.#oldCount += count;
    if (span.last > this.#highest) this.#highest = span.last;
  }

  /** Takes an address out, wherever it stands; `false` if it was not waiting. */
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

  /** Those whose order is forgotten, in address order. */
  oldSpans(): Iterable<Span> {
    return this.#old.spans();
  }

  /** The rest, longest waiting first. */
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
