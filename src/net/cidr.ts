// SPDX-License-Identifier: Apache-2.0

import { type Family, hostPrefix, type Ip, ipFromValue, parseIp } from "./address.ts";

/** A prefix. `base` is the network address as a number, and `text` says that address, so equal prefixes have equal texts. */
export interface Cidr {
  readonly family: Family;
  readonly base: bigint;
  readonly prefix: number;
  /** network address/prefix length */
  readonly text: string;
}

/**
 * Reads "address/length". Host bits may be set, as Kube-OVN allows (10.16.0.1/16): they are masked off.
 * The address is parsed as strictly as by `parseIp`; the length is a plain decimal number.
 */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf("/");
  if (slash < 0) return undefined;
  const ip = parseIp(text.slice(0, slash));
  const length = text.slice(slash + 1);
  if (ip === undefined || !/^(0|[1-9][0-9]{0,2})$/.test(length)) return undefined;
  return cidrOf(ip, Number(length));
}

/** The prefix of that length around an address; `undefined` if the family has no such length. */
export function cidrOf(ip: Ip, prefix: number): Cidr | undefined {
  const bits = hostPrefix(ip.family);
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > bits) return undefined;
  const shift = BigInt(bits - prefix);
  const base = (ip.value >> shift) << shift;
  return { family: ip.family, base, prefix, text: `${ipFromValue(ip.family, base).text}/${prefix}` };
}

/** The prefix that holds only this address: /32 or /128. */
export function hostCidr(ip: Ip): Cidr {
  const prefix = hostPrefix(ip.family);
  return { family: ip.family, base: ip.value, prefix, text: `${ip.text}/${prefix}` };
}

/** How many addresses the prefix has, network and broadcast address included. */
export function cidrSize(c: Cidr): bigint {
  return 1n << BigInt(hostPrefix(c.family) - c.prefix);
}

/** Whether a CIDR contains an address, both as text; false if one of them is invalid. */
export function textContains(cidr: string, address: string): boolean {
  const [block, ip] = [parseCidr(cidr), parseIp(address)];
  return block !== undefined && ip !== undefined && cidrContains(block, ip);
}

/** Whether the address is in the prefix; false for different families. */
export function cidrContains(c: Cidr, ip: Ip): boolean {
  return c.family === ip.family && ip.value >= c.base && ip.value < c.base + cidrSize(c);
}

/** Whether two prefixes share an address; false for different families. */
export function cidrsOverlap(a: Cidr, b: Cidr): boolean {
  return a.family === b.family && a.base < b.base + cidrSize(b) && b.base < a.base + cidrSize(a);
}

/** Whether every address of `inner` is in `outer`. */
export function cidrContainsCidr(outer: Cidr, inner: Cidr): boolean {
  return outer.prefix <= inner.prefix && cidrsOverlap(outer, inner);
}

/** The lowest address: the network address. */
export function firstAddress(c: Cidr): Ip {
  return ipFromValue(c.family, c.base);
}

/** The highest address: for IPv4 the broadcast address, where the prefix has one. */
export function lastAddress(c: Cidr): Ip {
  return ipFromValue(c.family, c.base + cidrSize(c) - 1n);
}

/** Whether the prefix is a point-to-point link or one host (RFC 3021, RFC 6164): then every address is usable. */
function allUsable(c: Cidr): boolean {
  return hostPrefix(c.family) - c.prefix < 2;
}

/**
 * The lowest address a host may have: not the network address of IPv4, nor of IPv6 the subnet-router anycast address
 * (RFC 4291 §2.6.1); in a prefix of one or two addresses, the first.
 */
export function firstUsable(c: Cidr): Ip {
  return ipFromValue(c.family, allUsable(c) ? c.base : c.base + 1n);
}

/** The highest address a host may have. As in Kube-OVN the last one is left out in both families. */
export function lastUsable(c: Cidr): Ip {
  return ipFromValue(c.family, c.base + cidrSize(c) - (allUsable(c) ? 1n : 2n));
}

/** How many addresses there are from `firstUsable` to `lastUsable`. */
export function usableSize(c: Cidr): bigint {
  return allUsable(c) ? cidrSize(c) : cidrSize(c) - 2n;
}

/**
 * The default gateway of a subnet: its first usable address; in an IPv4 /31 the other one, because OVN's routers drop packets from the last address
 * of any IPv4 network as if it were its broadcast address (seen with 25.03).
 */
export function gatewayOf(c: Cidr): Ip {
  return c.family === 4 && c.prefix === 31 ? lastUsable(c) : firstUsable(c);
}

/** The broadcast address; IPv6, /31 and /32 have none. */
export function broadcastAddress(c: Cidr): Ip | undefined {
  return c.family === 6 || allUsable(c) ? undefined : lastAddress(c);
}
