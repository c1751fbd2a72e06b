// SPDX-License-Identifier: Apache-2.0

import { lastAtOrBefore, type Offset, predecessor, type Span, successor } from "./offset.ts";

/** The number of intervals in a chunk before it is split. Small, so that moving them is cheap. */
const CHUNK = 256;

/** Intervals in order. `first[i] <= last[i] < first[i + 1] - 1`. Never empty while it is in a set. */
interface Chunk {
  readonly first: Offset[];
  readonly last: Offset[];
}

/**
 * A set of addresses, stored as the fewest ascending intervals. A lookup is O(log n) in the number of intervals, and a change that plus a move within
 * one chunk. Memory depends on the number of intervals, not of addresses.
 */
export class IntervalSet {
  #chunks: Chunk[] = [];
  /** `first[0]` of every chunk: an array of its own because each call searches it. */
  #starts: Offset[] = [];
  /** The position of `#seek`: the last interval that begins at or before the sought address; `#at` is -1 if there is none. */
  #in = 0;
  #at = -1;

  /** Whether the set is empty. */
  get empty(): boolean {
    return this.#chunks.length === 0;
  }

  /** The lowest address. */
  first(): Offset | undefined {
    return this.#chunks[0]?.first[0];
  }

  /** Whether the address is in the set. */
  has(c: Offset): boolean {
    return this.endOf(c) !== undefined;
  }

  /** The last address of the interval that holds this one; `undefined` if none does. */
  endOf(c: Offset): Offset | undefined {
    this.#seek(c);
    const last = this.#chunks[this.#in]?.last[this.#at];
    return last !== undefined && c <= last ? last : undefined;
  }

  /** Adds an address, or all from `first` to `last`. None of them may be in the set already. */
  add(first: Offset, last: Offset = first): void {
    this.#seek(first);
    const chunk = this.#chunks[this.#in];
    if (chunk === undefined) {
      this.#chunks.push({ first: [first], last: [last] });
      this.#starts.push(first);
      return;
    }
    const at = this.#at;
    const before = chunk.last[at];
    const joinsBefore = before !== undefined && successor(before) === first;
    // The next interval may be the first of the next chunk.
    const next = at + 1 < chunk.first.length ? chunk : this.#chunks[this.#in + 1];
    const nextAt = next === chunk ? at + 1 : 0;
    const joinsNext = next !== undefined && next.first[nextAt] === successor(last);
    if (joinsBefore && joinsNext) {
      chunk.last[at] = next.last[nextAt] as Offset;
      this.#drop(next === chunk ? this.#in : this.#in + 1, nextAt);
    } else if (joinsBefore) {
      chunk.last[at] = last;
    } else if (joinsNext) {
      next.first[nextAt] = first;
      if (nextAt === 0) this.#starts[next === chunk ? this.#in : this.#in + 1] = first;
    } else {
      this.#insert(this.#in, at + 1, first, last);
    }
  }

  /** Removes an address; `false` if it was not in the set. */
  remove(c: Offset): boolean {
    const last = this.endOf(c);
    const chunk = this.#chunks[this.#in];
    if (last === undefined || chunk === undefined) return false;
    const at = this.#at;
    const isFirst = chunk.first[at] === c;
    if (isFirst && last === c) {
      this.#drop(this.#in, at);
    } else if (isFirst) {
      chunk.first[at] = successor(c);
      if (at === 0) this.#starts[this.#in] = successor(c);
    } else {
      chunk.last[at] = predecessor(c);
      if (last !== c) this.#insert(this.#in, at + 1, successor(c), last);
    }
    return true;
  }

  /** All intervals in order. The set must not change meanwhile. */
  *spans(): Generator<Span, undefined, undefined> {
    for (const { first, last } of this.#chunks) {
      for (let i = 0; i < first.length; i++) {
        yield { first: first[i] as Offset, last: last[i] as Offset };
      }
    }
  }

  #seek(c: Offset): void {
    const index = lastAtOrBefore(this.#starts, c);
    this.#in = Math.max(index, 0);
    const chunk = this.#chunks[index];
    this.#at = chunk === undefined ? -1 : lastAtOrBefore(chunk.first, c);
  }

  #insert(index: number, at: number, first: Offset, last: Offset): void {
    const chunk = this.#chunks[index] as Chunk;
    chunk.first.splice(at, 0, first);
    chunk.last.splice(at, 0, last);
    if (at === 0) this.#starts[index] = first;
    if (chunk.first.length > CHUNK) {
      // Ascending insertions do not split a chunk in the middle, which would leave half of every chunk empty.
      const cut = at === CHUNK ? CHUNK : CHUNK >>> 1;
      const right = { first: chunk.first.splice(cut), last: chunk.last.splice(cut) };
      this.#chunks.splice(index + 1, 0, right);
      this.#starts.splice(index + 1, 0, right.first[0] as Offset);
    }
  }

  #drop(index: number, at: number): void {
    const chunk = this.#chunks[index] as Chunk;
    chunk.first.splice(at, 1);
    chunk.last.splice(at, 1);
    const start = chunk.first[0];
    if (start === undefined) {
      this.#chunks.splice(index, 1);
      this.#starts.splice(index, 1);
      return;
    }
    this.#starts[index] = start;
    // A small chunk is merged with its neighbour, so that there are few chunks.
    const right = this.#chunks[index + 1];
    if (right !== undefined && right.first.length + chunk.first.length <= CHUNK >>> 1) {
      chunk.first.push(...right.first);
      chunk.last.push(...right.last);
      this.#chunks.splice(index + 1, 1);
      this.#starts.splice(index + 1, 1);
    }
  }
}
