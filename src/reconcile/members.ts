// SPDX-License-Identifier: Apache-2.0

import type { ColumnValue } from "../desired/fragment.ts";
import { mapEntry, splitMapEntry } from "../desired/map-entry.ts";

/** A column whose value is a map. */
export function isMap(value: ColumnValue): value is Readonly<Record<string, string | number>> {
  return typeof value === "object" && !Array.isArray(value);
}

/** The members of a column that edges feed, sorted: those of a set, or the entries of a map. */
export function membersOf(value: ColumnValue): readonly string[] {
  if (typeof value === "string") return [value];
  if (isMap(value))
    return Object.entries(value)
      .map(([key, item]) => mapEntry(key, String(item)))
      .sort();
  return Array.isArray(value) ? (value as readonly string[]) : [];
}

/** Whether a sorted set, or a map, holds `member`. */
export function contains(value: ColumnValue, member: string): boolean {
  if (value === member) return true;
  if (isMap(value)) {
    const [key, item] = splitMapEntry(member);
    return Object.hasOwn(value, key) && String(value[key]) === item;
  }
  if (!Array.isArray(value)) return false;
  let low = 0;
  let high = value.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const present = String(value[middle]);
    if (present === member) return true;
    if (present < member) low = middle + 1;
    else high = middle;
  }
  return false;
}

/** The entry of a map with the key of `member` and another value, which OVSDB would keep (RFC 7047 §5.1 `insert`). */
export function displacedBy(value: ColumnValue, member: string): string | undefined {
  if (!isMap(value)) return undefined;
  const [key, item] = splitMapEntry(member);
  if (!Object.hasOwn(value, key) || String(value[key]) === item) return undefined;
  return mapEntry(key, String(value[key]));
}
