// SPDX-License-Identifier: Apache-2.0

/** What a table is sorted by. */
export interface Order {
  readonly key: string;
  readonly descending: boolean;
}

/** The rows in an order; those that are equal in it stay as they are. `compare`: for texts. */
export function ordered<T>(
  rows: readonly T[],
  by: (row: T) => string | number,
  descending: boolean,
  compare: (a: string, b: string) => number,
): readonly T[] {
  const sign = descending ? -1 : 1;
  return rows.toSorted((one, other) => {
    const [a, b] = [by(one), by(other)];
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    return sign * compare(String(a), String(b));
  });
}

/** Whether each word of a filter occurs in one of the texts, whatever the case. */
export function matches(filter: string, fields: readonly string[]): boolean {
  const all = fields.join("\n").toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}
