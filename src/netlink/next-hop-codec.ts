// SPDX-License-Identifier: Apache-2.0

import type { Family, Ip } from "../net/address.ts";
import { align4, asBuffer, bytesAttribute, decodeAttributes } from "./attributes.ts";
import { invalidArgument, malformed } from "./error.ts";
import { AF_INET, AF_INET6, familyNumber, ipBytes, ipFromBytes, requireIndex, requireIp } from "./values.ts";

const RTA_GATEWAY = 5;
const RTA_VIA = 18;
const RTNH_F_ONLINK = 4;
/** struct rtnexthop */
const HEADER = 8;

/** One of several next hops of a route (ECMP). */
export interface NextHopSpec {
  readonly gateway?: string;
  /** ifindex */
  readonly device?: number;
  /** 1 to 256, default 1: the weight of this next hop */
  readonly weight?: number;
  readonly onlink?: boolean;
}

/** One of several next hops of a route, as the kernel reports it. */
export interface NextHop {
  readonly gateway: string | undefined;
  readonly device: number;
  readonly weight: number;
  readonly onlink: boolean;
}

/** struct rtvia: a gateway of another family than the route's. */
export function encodeVia(gateway: Ip): Buffer {
  const family = Buffer.alloc(2);
  family.writeUInt16LE(familyNumber(gateway.family));
  return Buffer.concat([family, ipBytes(gateway)]);
}

/** Reads a struct rtvia. Throws `protocol`. */
export function decodeVia(bytes: Buffer): string {
  if (bytes.length < 2) throw malformed("route", `a gateway of ${bytes.length} bytes`);
  const family = bytes.readUInt16LE(0);
  const length = family === AF_INET ? 4 : family === AF_INET6 ? 16 : -1;
  if (bytes.length !== 2 + length) throw malformed("route", `a gateway of family ${family} in ${bytes.length} bytes`);
  return ipFromBytes(bytes.subarray(2), "route");
}

/** The value of an RTA_MULTIPATH: a sequence of struct rtnexthop, each with its attributes. */
export function encodeNextHops(operation: string, family: Family, hops: readonly NextHopSpec[]): Buffer {
  if (hops.length === 0) throw invalidArgument(operation, "no next hops");
  return Buffer.concat(
    hops.map((hop) => {
      const weight = hop.weight ?? 1;
      if (!Number.isInteger(weight) || weight < 1 || weight > 256) throw invalidArgument(operation, `weight ${weight}`);
      let gateway: Buffer = Buffer.alloc(0);
      if (hop.gateway !== undefined) {
        const ip = requireIp(operation, hop.gateway);
        gateway =
          ip.family === family ? bytesAttribute(RTA_GATEWAY, ipBytes(ip)) : bytesAttribute(RTA_VIA, encodeVia(ip));
      }
      const out = Buffer.alloc(HEADER);
      out.writeUInt16LE(HEADER + gateway.length, 0);
      out.writeUInt8(hop.onlink === true ? RTNH_F_ONLINK : 0, 2);
      out.writeUInt8(weight - 1, 3);
      out.writeInt32LE(hop.device === undefined ? 0 : requireIndex(operation, hop.device), 4);
      return Buffer.concat([out, gateway]);
    }),
  );
}

/** Reads the value of an RTA_MULTIPATH. Throws `protocol`. */
export function decodeNextHops(value: Uint8Array): readonly NextHop[] {
  const bytes = asBuffer(value);
  const hops: NextHop[] = [];
  let offset = 0;
  while (bytes.length - offset >= HEADER) {
    const length = bytes.readUInt16LE(offset);
    if (length < HEADER || length > bytes.length - offset) throw malformed("route", `a next hop of length ${length}`);
    const attributes = decodeAttributes(bytes.subarray(offset + HEADER, offset + length), "route");
    const gateway = attributes.bytes(RTA_GATEWAY);
    const via = attributes.bytes(RTA_VIA);
    hops.push({
      gateway: gateway !== undefined ? ipFromBytes(gateway, "route") : via !== undefined ? decodeVia(via) : undefined,
      device: bytes.readInt32LE(offset + 4),
      weight: bytes.readUInt8(offset + 3) + 1,
      onlink: (bytes.readUInt8(offset + 2) & RTNH_F_ONLINK) !== 0,
    });
    offset += align4(length);
  }
  return hops;
}
