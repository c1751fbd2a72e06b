// SPDX-License-Identifier: Apache-2.0

import { type Family, formatIpv4, formatIpv6, type Ip, ipFromValue, parseIp } from "../net/address.ts";
import { type Cidr, parseCidr } from "../net/cidr.ts";
import { parseMac } from "../net/mac.ts";
import { asBuffer } from "./attributes.ts";
import { invalidArgument, malformed } from "./error.ts";

/** Address families (linux/socket.h). */
export const AF_UNSPEC = 0;
export const AF_INET = 2;
export const AF_INET6 = 10;

/** The kernel's number for a family. */
export function familyNumber(family: Family): number {
  return family === 4 ? AF_INET : AF_INET6;
}

/** The family of the kernel's number; `undefined` for other families (MPLS, bridge tables). */
export function familyOf(number: number): Family | undefined {
  return number === AF_INET ? 4 : number === AF_INET6 ? 6 : undefined;
}

/** Parses an address argument; throws `invalid`. */
export function requireIp(operation: string, text: string): Ip {
  const ip = parseIp(text);
  if (ip === undefined) throw invalidArgument(operation, `${JSON.stringify(text)} is not a valid IP address`);
  return ip;
}

/** Parses a prefix argument; throws `invalid`, also if host bits are set, which the kernel rejects. */
export function requireCidr(operation: string, text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw invalidArgument(operation, `${JSON.stringify(text)} is not a valid prefix`);
  const address = requireIp(operation, text.slice(0, text.indexOf("/")));
  if (address.value !== cidr.base) throw invalidArgument(operation, `"${text}" has host bits set: ${cidr.text}`);
  return cidr;
}

/** An address as 4 or 16 bytes in network order. */
export function ipBytes(ip: { readonly family: Family; readonly value: bigint }): Buffer {
  const out = Buffer.alloc(ip.family === 4 ? 4 : 16);
  if (ip.family === 4) {
    out.writeUInt32BE(Number(ip.value));
  } else {
    out.writeBigUInt64BE(ip.value >> 64n, 0);
    out.writeBigUInt64BE(ip.value & 0xffff_ffff_ffff_ffffn, 8);
  }
  return out;
}

/** The number in 4 or 16 bytes in network order. */
function ipValue(bytes: Buffer): bigint {
  if (bytes.length === 4) return BigInt(bytes.readUInt32BE(0));
  return (bytes.readBigUInt64BE(0) << 64n) | bytes.readBigUInt64BE(8);
}

/** The canonical text of an address in 4 or 16 bytes; throws `protocol` for another length. */
export function ipFromBytes(bytes: Buffer, what: string): string {
  if (bytes.length === 4) return formatIpv4(bytes.readUInt32BE(0));
  if (bytes.length === 16) return formatIpv6(ipValue(bytes));
  throw malformed(what, `an address of ${bytes.length} bytes`);
}

/** "address/length" of a destination; the kernel omits the bytes when they are all zero. */
export function prefixText(family: Family, bytes: Buffer | undefined, length: number, what: string): string {
  if (length > (family === 4 ? 32 : 128)) throw malformed(what, `an IPv${family} prefix length of ${length}`);
  if (bytes === undefined) return `${ipFromValue(family, 0n).text}/${length}`;
  if (bytes.length !== (family === 4 ? 4 : 16))
    throw malformed(what, `an IPv${family} prefix of ${bytes.length} bytes`);
  return `${ipFromBytes(bytes, what)}/${length}`;
}

/** The six bytes of a unicast MAC argument; throws `invalid`. */
export function macBytes(operation: string, text: string): Buffer {
  const mac = parseMac(text);
  if (mac === undefined) throw invalidArgument(operation, `${JSON.stringify(text)} is not a valid MAC address`);
  return Buffer.from(mac.replaceAll(":", ""), "hex");
}

/**
 * The text of a link-layer address: hexadecimal bytes with colons. `undefined` if there is none, which the kernel reports
 * as no bytes or as zeros. Not only for Ethernet: that of an IPv6 tunnel has 16 bytes.
 */
export function linkAddressText(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined || bytes.every((byte) => byte === 0)) return undefined;
  return asBuffer(bytes)
    .toString("hex")
    .replaceAll(/(..)(?=.)/g, "$1:");
}

/** Checks an ifindex argument; throws `invalid` if it is not a positive 31-bit number. */
export function requireIndex(operation: string, index: number): number {
  if (!Number.isInteger(index) || index <= 0 || index > 0x7fff_ffff) {
    throw invalidArgument(operation, `${index} is not a valid interface index`);
  }
  return index;
}

/** Checks an argument for an unsigned 32-bit field; throws `invalid`. */
export function requireU32(operation: string, what: string, value: number): number {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
    throw invalidArgument(operation, `${what} ${value} does not fit into 32 bits`);
  }
  return value;
}

/**
 * Checks an interface name argument; throws `invalid` by the kernel's rule (dev_valid_name): 1 to 15 bytes, not
 * "." or "..", no slash, colon or white space. A "%" is refused too: the kernel replaces it by a number.
 */
export function requireInterfaceName(operation: string, name: string): string {
  const bytes = Buffer.byteLength(name);
  if (bytes < 1 || bytes > 15 || name === "." || name === ".." || /[\s/:%\0]/.test(name)) {
    throw invalidArgument(operation, `${JSON.stringify(name)} is not a valid interface name`);
  }
  return name;
}
