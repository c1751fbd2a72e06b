// SPDX-License-Identifier: Apache-2.0

import type { AddressSpace } from "./address-space.ts";
import { intersectSpans, type Offset, predecessor, type Span, successor } from "./offset.ts";
import type { Counts, Usage } from "./types.ts";

/**
 * The largest number of ranges in a status, because each daemon receives each status. A longer list ends with "...".
 */
const SHOWN_RANGES = 48;

/** The counts of one family: of a subnet, or of one of its pools. O(pools). */
export function countsOf(space: AddressSpace<unknown>, pool?: string): Counts {
  let available = 0n;
  let using = 0;
  if (pool !== undefined) {
    const list = space.freeList(pool);
    return { available: list?.available ?? 0n, using: BigInt((list?.used ?? 0) + (list?.usedOutside ?? 0)) };
  }
  for (const list of space.freeLists()) {
    available += list.available;
    using += list.used;
  }
  return { available, using: BigInt(using) };
}

/** The counts and ranges of one family: of a subnet, or of one of its pools. O(zones + ranges in use). */
export function usageOf(space: AddressSpace<unknown>, pool?: string, limit: number = SHOWN_RANGES): Usage {
  const available = new RangeText(space, limit);
  const using = new RangeText(space, limit);
  const spans = space.usedSpans()[Symbol.iterator]();
  let used = spans.next();
  for (const zone of space.zones) {
    const shown = pool === undefined ? zone.kind === "auto" : zone.pool === pool;
    let from: Offset = zone.first;
    while (used.done !== true && used.value.first <= zone.last) {
      const span: Span = used.value;
      const part = shown ? intersectSpans(span, { first: from, last: zone.last }) : undefined;
      if (part !== undefined) {
        if (part.first > from && zone.kind === "auto") available.add(from, predecessor(part.first));
        using.add(part.first, part.last);
        from = successor(part.last);
      }
      // A span that ends behind this zone is also counted in the next one.
      if (span.last > zone.last) break;
      used = spans.next();
    }
    if (shown && zone.kind === "auto" && from <= zone.last) available.add(from, zone.last);
  }
  return { ...countsOf(space, pool), availableRange: available.text(), usingRange: using.text() };
}

/** Writes ranges that come in order, joining those that touch: "a-b,c". */
class RangeText {
  readonly #space: AddressSpace<unknown>;
  readonly #limit: number;
  #parts: string[] = [];
  #first: Offset | undefined;
  #last: Offset = 0;
  #cut = false;

  constructor(space: AddressSpace<unknown>, limit: number) {
    this.#space = space;
    this.#limit = limit;
  }

  add(first: Offset, last: Offset): void {
    if (this.#first !== undefined && successor(this.#last) === first) {
      this.#last = last;
      return;
    }
    this.#flush();
    this.#first = first;
    this.#last = last;
  }

  text(): string {
    this.#flush();
    return this.#parts.join(",") + (this.#cut ? ",..." : "");
  }

  #flush(): void {
    if (this.#first === undefined) return;
    if (this.#parts.length >= this.#limit) {
      this.#cut = true;
    } else {
      const first = this.#space.text(this.#first);
      this.#parts.push(this.#first === this.#last ? first : `${first}-${this.#space.text(this.#last)}`);
    }
    this.#first = undefined;
  }
}
