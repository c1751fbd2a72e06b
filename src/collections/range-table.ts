// SPDX-License-Identifier: Apache-2.0

/** Numbers from `first` to `last`, both included. */
export interface NumberRange {
  readonly first: bigint;
  readonly last: bigint;
}

/**
 * Named ranges. Finds those that overlap a range in O(log n + found) if few overlap each other. Sorted again at the first lookup after a change.
 */
export class RangeTable {
  readonly #ranges = new Map<string, readonly NumberRange[]>();
  #sorted: readonly (NumberRange & { readonly name: string; readonly reach: bigint })[] | undefined;

  /** Whether no name has ranges. */
  get isEmpty(): boolean {
    return this.#ranges.size === 0;
  }

  /** Replaces the ranges of a name. */
  set(name: string, ranges: readonly NumberRange[]): void {
    if (ranges.length === 0 && !this.#ranges.has(name)) return;
    if (ranges.length === 0) this.#ranges.delete(name);
    else this.#ranges.set(name, ranges);
    this.#sorted = undefined;
  }

  /** The names with ranges that overlap one, each once, the lowest range first, and among equal ones by name. */
  overlapping({ first, last }: NumberRange): readonly string[] {
    this.#sorted ??= sort(this.#ranges);
    const sorted = this.#sorted;
    let end = 0;
    for (let high = sorted.length; end < high; ) {
      const middle = (end + high) >>> 1;
      if ((sorted[middle]?.first ?? 0n) <= last) end = middle + 1;
      else high = middle;
    }
    const found: string[] = [];
    // If `reach` is below `first`, so are the ends of all earlier ranges.
    for (let i = end - 1; i >= 0; i--) {
      const range = sorted[i];
      if (range === undefined || range.reach < first) break;
      if (range.last >= first) found.push(range.name);
    }
    return [...new Set(found.reverse())];
  }
}

/** `reach`: the highest number of this range and those before it. */
function sort(ranges: ReadonlyMap<string, readonly NumberRange[]>) {
  const sorted = [...ranges].flatMap(([name, all]) =>
    all.map(({ first, last }) => ({ name, first, last, reach: last })),
  );
  sorted.sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : a.name < b.name ? -1 : 1));
  let reach = sorted[0]?.last ?? 0n;
  for (const range of sorted) {
    if (range.last > reach) reach = range.last;
    range.reach = reach;
  }
  return sorted;
}
