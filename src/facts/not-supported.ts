// SPDX-License-Identifier: Apache-2.0

/**
 * The fields of a Subnet's spec that are not supported, by their paths; `[]` stands for each entry of a list. An object that sets one of
 * them has a condition. `src/crd-fields.test.ts` compares this list with `crds/` and the code.
 */
export const NOT_SUPPORTED = {
  subnets: ["enableExternalLBAddress"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** The fields (as above) that a spec sets, sorted. A value that is equal to none (false, 0, "", an empty list) does not count. */
export function unsupportedFields(fields: readonly string[], spec: unknown): readonly string[] {
  return fields.filter((path) => isSet(spec, path.split("."))).toSorted();
}

function isSet(value: unknown, [first, ...rest]: readonly string[]): boolean {
  if (first === undefined) return saysSomething(value);
  if (typeof value !== "object" || value === null) return false;
  const name = first.replace("[]", "");
  const inner: unknown = Object.entries(value).find(([key]) => key === name)?.[1];
  if (!first.endsWith("[]")) return isSet(inner, rest);
  return Array.isArray(inner) && inner.some((entry: unknown) => isSet(entry, rest));
}

function saysSomething(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === "object" && value !== null) return Object.values(value).some(saysSomething);
  return value !== undefined && value !== null && value !== "" && value !== false && value !== 0;
}
