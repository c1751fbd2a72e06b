// SPDX-License-Identifier: Apache-2.0

import type { Family } from "../net/address.ts";
import { decodeAttributes } from "./attributes.ts";
import { malformed } from "./error.ts";
import { familyOf } from "./values.ts";

/** linux/rtnetlink.h */
export const RTM_NEWNETCONF = 80;

/** linux/netconf.h */
const NETCONFA_IFINDEX = 1;
const NETCONFA_IFINDEX_ALL = 0xffff_ffff;
const NETCONFA_IFINDEX_DEFAULT = 0xffff_fffe;
/** struct netconfmsg, padded */
const HEADER = 4;

/** The scope of a sysctl below `/proc/sys/net/ipv4/conf` or `ipv6/conf` that was set: an ifindex, `conf/all` or `conf/default`. */
export interface Netconf {
  readonly family: Family;
  readonly where: number | "all" | "default";
}

/**
 * Reads the payload of an RTM_NEWNETCONF, sent when forwarding, rp_filter, proxy_neigh and a few others are set, but not for all
 * sysctls (net/ipv4/devinet.c, net/ipv6/addrconf.c); `undefined` for other families. Throws `protocol`.
 */
export function decodeNetconf(payload: Buffer): Netconf | undefined {
  if (payload.length < HEADER) throw malformed("netconf", `${payload.length} bytes`);
  const family = familyOf(payload.readUInt8(0));
  const index = decodeAttributes(payload.subarray(HEADER), "netconf").u32(NETCONFA_IFINDEX);
  if (family === undefined || index === undefined) return undefined;
  if (index === NETCONFA_IFINDEX_ALL) return { family, where: "all" };
  return { family, where: index === NETCONFA_IFINDEX_DEFAULT ? "default" : index };
}
