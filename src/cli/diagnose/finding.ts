// SPDX-License-Identifier: Apache-2.0

/** The areas that can be checked separately. */
export type Area = "node" | "subnet" | "pod" | "policy" | "controller";

/** A problem, or a part that could not be checked. */
export interface Finding {
  readonly area: Area;
  /** `Node weft-1`, `Subnet web`, `Pod shop/cart`. */
  readonly object: string;
  /** Names of other objects that it concerns: the pods (`NAMESPACE/NAME`) of IP objects. */
  readonly concerns?: readonly string[];
  /** `unchecked`: it could not be checked, for the reason in `evidence`. */
  readonly severity: "error" | "warning" | "unchecked";
  readonly problem: string;
  /** Where it was observed. */
  readonly evidence: string;
  /** What to do. */
  readonly remedy: string;
}

/** Whether a finding is about the object of that name; a finding for all objects, or an unchecked one, is about each. */
export function isAbout({ area, object, severity, concerns }: Finding, name: string): boolean {
  if (severity === "unchecked" || area === "controller") return true;
  return object.endsWith(` ${name}`) || concerns?.includes(name) === true;
}
