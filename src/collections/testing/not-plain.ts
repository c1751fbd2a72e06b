// SPDX-License-Identifier: Apache-2.0

/** The path of the first part of a value that is not plain, such as a Set, which `samePlain` would compare as an empty object; undefined if all is plain. */
export function notPlain(value: unknown, path = ""): string | undefined {
  if (typeof value === "function") return path;
  if (typeof value !== "object" || value === null) return undefined;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return path;
  for (const [key, part] of Object.entries(value)) {
    const found = notPlain(part, `${path}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}
