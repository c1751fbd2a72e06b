// SPDX-License-Identifier: Apache-2.0

import { Address6 } from "ip-address";

/** The two families of IP addresses, named by their version number. */
export type Family = 4 | 6;

/**
 * One IP address. `value` is the address as an unsigned integer of 32 or 128 bits. `text` is canonical, so two
 * addresses are the same exactly when their texts are: dotted quad for IPv4, RFC 5952 for IPv6.
 */
export interface Ip {
  readonly family: Family;
  readonly value: bigint;
  readonly text: string;
}

/** How many bits an address of the family has. It is also the prefix length of a single host. */
export function hostPrefix(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/**
 * Reads an address. Strict: no mask, no zone, no white space, no brackets, and no leading zero in an IPv4 octet (some
 * programs read those as octal). An IPv4-mapped IPv6 address stays IPv6. `undefined` for any other text.
 */
export function parseIp(text: string): Ip | undefined {
  const v4 = parseIpv4(text);
  if (v4 !== undefined) return { family: 4, value: BigInt(v4), text };
  const v6 = parseIpv6(text);
  return v6 === undefined ? undefined : { family: 6, value: v6, text: formatIpv6(v6) };
}

/** The canonical text of an address of that family; "" if the text is not one. */
export function ipText(text: string, family: Family): string {
  const ip = parseIp(text);
  return ip?.family === family ? ip.text : "";
}

/** Makes an address from its number. Throws a `RangeError` for a number that the family cannot hold. */
export function ipFromValue(family: Family, value: bigint): Ip {
  if (value < 0n || value >> BigInt(hostPrefix(family)) !== 0n) {
    throw new RangeError(`${value} is not the number of an IPv${family} address`);
  }
  return { family, value, text: family === 4 ? formatIpv4(Number(value)) : formatIpv6(value) };
}

/** Whether it is an IPv4 address in the form of an IPv6 one, `::ffff:10.0.0.1` (RFC 4291, 2.5.5.2). */
export function isMapped({ family, value }: Ip): boolean {
  return family === 6 && value >> 32n === 0xffffn;
}

const ZERO = 48;
const DOT = 46;

/** Reads a dotted quad as an unsigned 32-bit number, as strictly as `parseIp`. No bigint: this one is for hot paths. */
export function parseIpv4(text: string): number | undefined {
  if (text.length < 7 || text.length > 15) return undefined;
  let value = 0;
  let octet = -1;
  let dots = 0;
  let leadingZero = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT) {
      if (octet < 0 || dots === 3) return undefined;
      value = value * 256 + octet;
      octet = -1;
      dots++;
    } else {
      const digit = code - ZERO;
      if (digit < 0 || digit > 9) return undefined;
      if (octet < 0) {
        octet = digit;
        leadingZero = digit === 0;
      } else {
        octet = octet * 10 + digit;
        if (leadingZero || octet > 255) return undefined;
      }
    }
  }
  return dots === 3 && octet >= 0 ? value * 256 + octet : undefined;
}

/** Reads an IPv6 address as an unsigned 128-bit number, as strictly as `parseIp`. */
export function parseIpv6(text: string): bigint | undefined {
  // The package also takes a prefix length and a zone; neither belongs to an address here.
  if (text.length < 2 || text.length > 45 || !/^[0-9A-Fa-f:.]+$/.test(text) || !text.includes(":")) return undefined;
  try {
    return new Address6(text).bigInt();
  } catch {
    return undefined;
  }
}

/** The dotted quad of an unsigned 32-bit number. */
export function formatIpv4(value: number): string {
  return `${(value >>> 24) & 255}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}

/** The RFC 5952 text of an unsigned 128-bit number. */
export function formatIpv6(value: bigint): string {
  return formatIpv6Groups(ipv6Groups(value));
}

/** The eight 16-bit groups of an unsigned 128-bit number, the most significant first. */
export function ipv6Groups(value: bigint): number[] {
  const groups: number[] = [];
  for (let shift = 96n; shift >= 0n; shift -= 32n) {
    const word = Number((value >> shift) & 0xffff_ffffn);
    groups.push(word >>> 16, word & 0xffff);
  }
  return groups;
}

/**
 * The RFC 5952 text of eight 16-bit groups: lower case, no leading zeros, the first longest run of two or more zero
 * groups as "::" (§4.2), and the last 32 bits of an IPv4-mapped address as a dotted quad (§5).
 * Written out because ip-address takes 3 µs for it, and one of these is made for every address given.
 */
export function formatIpv6Groups(groups: readonly number[]): string {
  let runStart = -1;
  let runLength = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > runLength) {
      runStart = i;
      runLength = end - i;
    }
    if (end > i) i = end;
  }
  if (runStart === 0 && runLength === 5 && groups[5] === 0xffff) {
    return `::ffff:${formatIpv4((groups[6] ?? 0) * 65536 + (groups[7] ?? 0))}`;
  }
  let text = "";
  for (let i = 0; i < 8; i++) {
    if (i === runStart) {
      text += i === 0 ? "::" : ":";
      i += runLength - 1;
    } else {
      text += (groups[i] ?? 0).toString(16);
      if (i < 7) text += ":";
    }
  }
  return text;
}
