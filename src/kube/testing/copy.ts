// SPDX-License-Identifier: Apache-2.0

/** A deep copy of an object that JSON can hold. For these it is several times as fast as `structuredClone`. */
export function copyOf<T>(value: T): T {
  return copy(value) as T;
}

function copy(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copy);
  if (Object.getPrototypeOf(value) !== Object.prototype) return structuredClone(value);
  const result: Record<string, unknown> = { ...value };
  for (const key in result) if (typeof result[key] === "object") result[key] = copy(result[key]);
  return result;
}
