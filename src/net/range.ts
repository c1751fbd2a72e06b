// SPDX-License-Identifier: Apache-2.0

import { type Family, hostPrefix, type Ip, ipFromValue, parseIp } from "./address.ts";
import { type Cidr, cidrOf, cidrSize, parseCidr } from "./cidr.ts";

/** A range of addresses, both ends included. */
export interface IpRange {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
}

/**
 * Reads what `Subnet.spec.excludeIps` and `IPPool.spec.ips` hold: an address, a range "10.16.0.10..10.16.0.20", or a prefix (all
 * of its addresses). `undefined` for anything else, for ends of two families, and if the first address is above the last.
 */
export function parseRange(text: string): IpRange | undefined {
  if (text.includes("/")) {
    const cidr = parseCidr(text);
    return cidr === undefined ? undefined : rangeOfCidr(cidr);
  }
  const dots = text.indexOf("..");
  const first = parseIp(dots < 0 ? text : text.slice(0, dots));
  const last = dots < 0 ? first : parseIp(text.slice(dots + 2));
  if (first === undefined || last === undefined || first.family !== last.family || first.value > last.value) {
    return undefined;
  }
  return { family: first.family, first: first.value, last: last.value };
}

/** All addresses of a prefix. */
export function rangeOfCidr(cidr: Cidr): IpRange {
  return { family: cidr.family, first: cidr.base, last: cidr.base + cidrSize(cidr) - 1n };
}

/** Whether the address is in the range; false for different families. */
export function rangeContains(range: IpRange, ip: Ip): boolean {
  return range.family === ip.family && ip.value >= range.first && ip.value <= range.last;
}

/** The intersection of two ranges, if it is not empty. */
export function intersectRanges(a: IpRange, b: IpRange): IpRange | undefined {
  if (a.family !== b.family) return undefined;
  let { first, last } = a;
  if (b.first > first) first = b.first;
  if (b.last < last) last = b.last;
  return first > last ? undefined : { family: a.family, first, last };
}

/** "10.16.0.10..10.16.0.20", or the address where there is only one: what `parseRange` reads. */
export function formatRange(range: IpRange): string {
  const first = ipFromValue(range.family, range.first).text;
  return range.first === range.last ? first : `${first}..${ipFromValue(range.family, range.last).text}`;
}

/** The smallest list of CIDRs that is equal to the range, ascending. */
export function cidrsOfRange({ family, first, last }: IpRange): Cidr[] {
  const bits = BigInt(hostPrefix(family));
  const cidrs: Cidr[] = [];
  for (let at = first; at <= last; ) {
    let size = 0n;
    while (size < bits && (at & ((1n << (size + 1n)) - 1n)) === 0n && at + (1n << (size + 1n)) - 1n <= last) size++;
    const cidr = cidrOf(ipFromValue(family, at), Number(bits - size));
    if (cidr !== undefined) cidrs.push(cidr);
    at += 1n << size;
  }
  return cidrs;
}
