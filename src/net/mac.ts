// SPDX-License-Identifier: Apache-2.0

import { type Ip, ipFromValue } from "./address.ts";

const FORMS = [
  /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/,
  /^[0-9a-f]{2}(-[0-9a-f]{2}){5}$/,
  // Cisco's notation, which Go's net.ParseMAC and therefore Kube-OVN accept too.
  /^[0-9a-f]{4}(\.[0-9a-f]{4}){2}$/,
];

/**
 * Parses the MAC address of an interface and returns it as "aa:bb:cc:dd:ee:ff". Colons, hyphens and Cisco's dots are accepted, in either case.
 * `undefined` for anything else, for multicast addresses and for 00:00:00:00:00:00.
 */
export function parseMac(text: string): string | undefined {
  const number = parseMacNumber(text);
  return number === undefined ? undefined : macFromNumber(number);
}

/** Like `parseMac`, but returns the address as an unsigned 48-bit number. */
export function parseMacNumber(text: string): number | undefined {
  const lower = text.toLowerCase();
  if (!FORMS.some((form) => form.test(lower))) return undefined;
  const number = Number.parseInt(lower.replaceAll(/[:.-]/g, ""), 16);
  const firstByte = Math.floor(number / 2 ** 40);
  return number === 0 || (firstByte & 1) === 1 ? undefined : number;
}

/**
 * The link-local address that an interface with this MAC gives itself (modified EUI-64, RFC 4291 appendix A): "fe80::ff:fe00:2". `undefined` as
 * `parseMac`.
 */
export function linkLocalFromMac(text: string): Ip | undefined {
  const mac = parseMacNumber(text);
  if (mac === undefined) return undefined;
  const high = BigInt(Math.floor(mac / 2 ** 24)) ^ 0x02_00_00n;
  const value = (0xfe80n << 112n) | (high << 40n) | (0xfffen << 24n) | BigInt(mac % 2 ** 24);
  return ipFromValue(6, value);
}

/** The text of an unsigned 48-bit number. Written for speed, because one is made for each allocated address: joined parts take twice as long. */
export function macFromNumber(number: number): string {
  const high = Math.floor(number / 2 ** 24) | 0;
  const low = (number % 2 ** 24) | 0;
  return String.fromCharCode(
    digit(high >>> 20),
    digit(high >>> 16),
    COLON,
    digit(high >>> 12),
    digit(high >>> 8),
    COLON,
    digit(high >>> 4),
    digit(high),
    COLON,
    digit(low >>> 20),
    digit(low >>> 16),
    COLON,
    digit(low >>> 12),
    digit(low >>> 8),
    COLON,
    digit(low >>> 4),
    digit(low),
  );
}

/**
 * Makes the address of an interface, an unsigned 48-bit number, from six bytes: the first byte's lowest two bits become 10, which says locally
 * administered and unicast (IEEE 802, clause 8), and the other 46 bits stay. Throws a `RangeError` if there are not six.
 */
export function macNumberFromBytes(bytes: Uint8Array): number {
  const [a, b, c, d, e, f] = bytes;
  if (bytes.length !== 6 || a === undefined || b === undefined || c === undefined || d === undefined) {
    throw new RangeError(`a MAC address has six bytes, not ${bytes.length}`);
  }
  const high = ((((a & 0xfc) | 0x02) << 16) | (b << 8) | c) >>> 0;
  return high * 2 ** 24 + ((d << 16) | ((e ?? 0) << 8) | (f ?? 0));
}

const COLON = 58;

/** The character code of the lowest four bits as a hexadecimal digit. */
function digit(value: number): number {
  const four = value & 15;
  return four < 10 ? 48 + four : 87 + four;
}
