// SPDX-License-Identifier: Apache-2.0

import type { Family } from "../net/address.ts";
import { bytesAttribute, decodeAttributes, u32Attribute } from "./attributes.ts";
import { invalidArgument, malformed } from "./error.ts";
import { type NetlinkRequest, NLM_F_CREATE, NLM_F_REPLACE } from "./message.ts";
import {
  AF_UNSPEC,
  familyNumber,
  familyOf,
  ipBytes,
  ipFromBytes,
  linkAddressText,
  macBytes,
  requireIndex,
  requireIp,
} from "./values.ts";

/** linux/rtnetlink.h */
export const RTM_NEWNEIGH = 28;
export const RTM_DELNEIGH = 29;
const RTM_GETNEIGH = 30;

/** Attributes and flags (linux/neighbour.h). */
const NDA_DST = 1;
const NDA_LLADDR = 2;
const NDA_IFINDEX = 8;
const NTF_PROXY = 0x08;
const NTF_ROUTER = 0x80;
/** struct ndmsg */
const HEADER = 12;

/** state → NUD_*. RFC 4861 §7.3.2 has the first five; `permanent` and `noarp` entries are never resolved. */
const STATES = {
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  delay: 0x08,
  probe: 0x10,
  failed: 0x20,
  noarp: 0x40,
  permanent: 0x80,
  none: 0x00,
} as const;

/** The state of a neighbour entry. */
export type NeighbourState = keyof typeof STATES;

/** The key of an entry of the neighbour table. */
export interface NeighbourKey {
  /** ifindex */
  readonly index: number;
  readonly address: string;
  /** An address that the host answers for by proxy (proxy ARP, proxy NDP); these entries have their own table */
  readonly proxy?: boolean;
}

/** An entry to set. */
export interface NeighbourSpec extends NeighbourKey {
  /** Required unless `proxy` */
  readonly mac?: string;
  /** Default `permanent` */
  readonly state?: NeighbourState;
}

/** An entry as the kernel reports it. */
export interface Neighbour {
  readonly index: number;
  readonly family: Family;
  readonly address: string;
  readonly mac: string | undefined;
  readonly state: NeighbourState;
  readonly proxy: boolean;
  /** IPv6: it has announced itself as a router */
  readonly router: boolean;
}

function encode(name: string, type: number, flags: number, spec: NeighbourSpec, state: number): NetlinkRequest {
  const ip = requireIp(name, spec.address);
  const header = Buffer.alloc(HEADER);
  header.writeUInt8(familyNumber(ip.family), 0);
  header.writeInt32LE(requireIndex(name, spec.index), 4);
  header.writeUInt16LE(state, 8);
  header.writeUInt8(spec.proxy === true ? NTF_PROXY : 0, 10);
  const parts = [header, bytesAttribute(NDA_DST, ipBytes(ip))];
  if (spec.mac !== undefined) parts.push(bytesAttribute(NDA_LLADDR, macBytes(name, spec.mac)));
  return { type, name, flags, payload: Buffer.concat(parts) };
}

/** Creates or replaces an entry. */
export function encodeNeighbourSet(spec: NeighbourSpec): NetlinkRequest {
  const name = "RTM_NEWNEIGH";
  if (spec.mac === undefined && spec.proxy !== true) throw invalidArgument(name, `no MAC for ${spec.address}`);
  return encode(name, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, spec, STATES[spec.state ?? "permanent"]);
}

/** Deletes an entry. */
export function encodeNeighbourDelete(key: NeighbourKey): NetlinkRequest {
  const { index, address, proxy } = key;
  return encode("RTM_DELNEIGH", RTM_DELNEIGH, 0, { index, address, proxy: proxy === true }, 0);
}

/** Requests the entries of one family or both, of one interface or all; `proxy` requests the other table. */
export function encodeNeighbourDump(filter: {
  readonly family?: Family;
  readonly index?: number;
  readonly proxy?: boolean;
}): NetlinkRequest {
  const name = "RTM_GETNEIGH";
  const header = Buffer.alloc(HEADER);
  header.writeUInt8(filter.family === undefined ? AF_UNSPEC : familyNumber(filter.family), 0);
  header.writeUInt8(filter.proxy === true ? NTF_PROXY : 0, 10);
  const parts: Buffer[] = [header];
  if (filter.index !== undefined) parts.push(u32Attribute(NDA_IFINDEX, requireIndex(name, filter.index)));
  return { type: RTM_GETNEIGH, name, payload: Buffer.concat(parts) };
}

/** Reads the payload of an RTM_NEWNEIGH or RTM_DELNEIGH; `undefined` for other families (a bridge's). Throws `protocol`. */
export function decodeNeighbour(payload: Buffer): Neighbour | undefined {
  if (payload.length < HEADER) throw malformed("neighbour", `${payload.length} bytes`);
  const family = familyOf(payload.readUInt8(0));
  if (family === undefined) return undefined;
  const attributes = decodeAttributes(payload.subarray(HEADER), "neighbour");
  const address = attributes.bytes(NDA_DST);
  if (address === undefined) throw malformed("neighbour", "it has no address");
  const flags = payload.readUInt8(10);
  return {
    index: payload.readInt32LE(4),
    family,
    address: ipFromBytes(address, "neighbour"),
    mac: linkAddressText(attributes.bytes(NDA_LLADDR)),
    state: stateName(payload.readUInt16LE(8)),
    proxy: (flags & NTF_PROXY) !== 0,
    router: (flags & NTF_ROUTER) !== 0,
  };
}

function stateName(number: number): NeighbourState {
  for (const [name, bit] of Object.entries(STATES)) if (number === bit) return name as NeighbourState;
  return "none";
}
