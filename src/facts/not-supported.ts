// SPDX-License-Identifier: Apache-2.0

/**
 * The fields of a Subnet's and a VPC's spec that nothing is done about, by their paths; `[]` stands for each entry of a list. An object that sets one of them says so in its condition. `src/crd-fields.test.ts` walks `crds/` and finds what is missing here, and
 * what is here although something is done about it.
 */
export const NOT_SUPPORTED = {
  subnets: ["logicalGateway", "u2oInterconnection", "u2oInterconnectionIP", "u2oFeatures", "enableExternalLBAddress"],
  vpcs: ["enableBfd"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** Those of the fields (as above) that a spec sets, sorted. A value that says the same as none (false, 0, "", an empty list) sets nothing. */
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
