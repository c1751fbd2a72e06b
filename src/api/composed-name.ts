// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";

/**
 * A name composed of the names of objects, in two forms. Kube-OVN's composition is ambiguous: VPC `team` and subnet `a-web`, VPC `team-a` and subnet
 * `web`. Of the objects that exist, the oldest has the plain form as long as it exists (fact `nameCollisions`), and the others have the distinct
 * form. If an object of a kind with fixed names could have the plain form, both forms are the distinct one.
 */
export interface Name {
  /** Kube-OVN's name. */
  readonly plain: string;
  /** The plain form, `_` and a digest of the parts. No name in Kubernetes has a `_`, so it is never the plain form of another object. */
  readonly distinct: string;
}

/** The form of a name, depending on whether the plain form is taken by another object. */
export function spell({ plain, distinct }: Name, taken: boolean): string {
  return taken ? distinct : plain;
}

/** `plain`, `_`, and a digest of `parts`. */
export function withDigest(plain: string, parts: readonly string[]): string {
  return `${plain}_${digestOf(parts)}`;
}

/**
 * SHA-1 of a plain value (the parts of a name or an id), as `length` hexadecimal digits; 20 are 80 bits, enough against a search for a collision.
 */
export function digestOf(value: unknown, length = 20): string {
  return createHash("sha1").update(JSON.stringify(value)).digest("hex").slice(0, length);
}
