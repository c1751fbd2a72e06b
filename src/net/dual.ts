// SPDX-License-Identifier: Apache-2.0

import { type Ip, parseIp } from "./address.ts";
import { type Cidr, parseCidr } from "./cidr.ts";

/** At most one value for each family. Kube-OVN writes it as a list of one or two with a comma. */
export interface Dual<T> {
  readonly v4?: T;
  readonly v6?: T;
}

/** Reads "10.16.0.5", "fd00::5" or both with a comma, in either order. `undefined` for two of one family or for none. */
export function parseDualIp(csv: string): Dual<Ip> | undefined {
  return parseDual(csv, parseIp);
}

/** Reads "10.16.0.0/16", "fd00::/64" or both with a comma, in either order; `undefined` as with `parseDualIp`. */
export function parseDualCidr(csv: string): Dual<Cidr> | undefined {
  return parseDual(csv, parseCidr);
}

/** "v4,v6", IPv4 first; or the only one; or the empty string. */
export function formatDual(d: Dual<{ readonly text: string }>): string {
  return dualValues(d)
    .map((item) => item.text)
    .join(",");
}

/** The present values, IPv4 first. */
export function dualValues<T>(d: Dual<T>): T[] {
  const values: T[] = [];
  if (d.v4 !== undefined) values.push(d.v4);
  if (d.v6 !== undefined) values.push(d.v6);
  return values;
}

/** Groups values by family; `undefined` if there are two of one family. */
export function dualOf<T extends { readonly family: 4 | 6 }>(items: readonly T[]): Dual<T> | undefined {
  const dual: { v4?: T; v6?: T } = {};
  for (const item of items) {
    const key = item.family === 4 ? "v4" : "v6";
    if (dual[key] !== undefined) return undefined;
    dual[key] = item;
  }
  return dual;
}

function parseDual<T extends { readonly family: 4 | 6 }>(
  csv: string,
  parse: (text: string) => T | undefined,
): Dual<T> | undefined {
  const parts = csv.split(",", 3);
  if (parts.length > 2) return undefined;
  const items: T[] = [];
  for (const part of parts) {
    const item = parse(part);
    if (item === undefined) return undefined;
    items.push(item);
  }
  return dualOf(items);
}
