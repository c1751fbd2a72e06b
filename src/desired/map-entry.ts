// SPDX-License-Identifier: Apache-2.0

/**
 * A map that several units fill is a set of entries, so that an {@link import("./fragment.ts").Edge} can name one of them: `key=value`.
 * The keys of different units differ; no key contains `=`.
 */
export function mapEntry(key: string, value: string): string {
  return `${key}=${value}`;
}

/** The key and the value of an entry. */
export function splitMapEntry(entry: string): readonly [key: string, value: string] {
  const end = entry.indexOf("=");
  return end < 0 ? [entry, ""] : [entry.slice(0, end), entry.slice(end + 1)];
}
