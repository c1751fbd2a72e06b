// SPDX-License-Identifier: Apache-2.0

/** What can be diagnosed by itself. */
export type Area = "node" | "subnet" | "pod" | "policy" | "controller";

/** Something that is wrong, or could not be looked at. */
export interface Finding {
  readonly area: Area;
  /** `Node weft-1`, `Subnet web`, `Pod shop/cart`. */
  readonly object: string;
  /** Names of others that it concerns as well: the pods (`NAMESPACE/NAME`) of IP objects. */
  readonly concerns?: readonly string[];
  /** `unchecked`: it could not be looked at, for the reason in `evidence`. */
  readonly severity: "error" | "warning" | "unchecked";
  readonly problem: string;
  /** Where it was seen. */
  readonly evidence: string;
  /** What to do. */
  readonly remedy: string;
}

/** Whether a finding is about the object of that name; what holds for all objects, or could not be looked at, is about each. */
export function isAbout({ area, object, severity, concerns }: Finding, name: string): boolean {
  if (severity === "unchecked" || area === "controller") return true;
  return object.endsWith(` ${name}`) || concerns?.includes(name) === true;
}
