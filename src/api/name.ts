// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";

/**
 * A name that is made of the names of objects, in both of its spellings. Kube-OVN puts parts together in such a way that different
 * ones may come to the same: VPC `team` and subnet `a-web`, VPC `team-a` and subnet `web`. Of the objects that exist the oldest has the plain
 * spelling for as long as it lives (fact `nameCollisions`), and the others the distinct one. Where an object of a kind that never gives way might have the
 * plain spelling, both are the distinct one.
 */
export interface Name {
  /** Kube-OVN's spelling. */
  readonly plain: string;
  /** The plain spelling, `_` and a digest of the parts. No name in Kubernetes has a `_`, so it is no other object's plain spelling. */
  readonly distinct: string;
}

/** How a name is spelled, where its plain spelling is taken by another object or is not. */
export function spell({ plain, distinct }: Name, taken: boolean): string {
  return taken ? distinct : plain;
}

/** `plain`, `_`, and a digest of `parts`. */
export function withDigest(plain: string, parts: readonly string[]): string {
  return `${plain}_${digestOf(parts)}`;
}

/**
 * SHA-1 of a plain value (what a name or an id is made of), as `length` hexadecimal digits; 20 are 80 bits, too many for somebody to look for
 * two values with the same.
 */
export function digestOf(value: unknown, length = 20): string {
  return createHash("sha1").update(JSON.stringify(value)).digest("hex").slice(0, length);
}
