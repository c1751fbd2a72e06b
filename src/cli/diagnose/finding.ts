// SPDX-License-Identifier: Apache-2.0

/** What can be diagnosed by itself. */
export type Area = "node" | "subnet" | "pod" | "policy" | "controller";

/** Something that is wrong, or could not be looked at. */
export interface Finding {
  readonly area: Area;
  /** `Node weft-1`, `Subnet web`, `Pod shop/cart`. */
  readonly object: string;
  /** `unchecked`: it could not be looked at, for the reason in `evidence`. */
  readonly severity: "error" | "warning" | "unchecked";
  readonly problem: string;
  /** Where it was seen. */
  readonly evidence: string;
  /** What to do. */
  readonly remedy: string;
}
