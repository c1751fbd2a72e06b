// SPDX-License-Identifier: Apache-2.0

import type { Family } from "../net/address.ts";
import { bytesAttribute, decodeAttributes, u32Attribute } from "./attributes.ts";
import { invalidArgument, malformed } from "./error.ts";
import { type NetlinkRequest, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from "./message.ts";
import { type Scope, scopeName, scopeNumber } from "./scope.ts";
import {
  AF_UNSPEC,
  familyNumber,
  familyOf,
  ipBytes,
  ipFromBytes,
  requireIndex,
  requireIp,
  requireU32,
} from "./values.ts";

/** linux/rtnetlink.h */
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
const RTM_GETADDR = 22;

/** Attributes and flags (linux/if_addr.h). */
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_LABEL = 3;
const IFA_BROADCAST = 4;
const IFA_CACHEINFO = 6;
const IFA_FLAGS = 8;
const IFA_F_NODAD = 0x02;
const IFA_F_DADFAILED = 0x08;
const IFA_F_TENTATIVE = 0x40;
const IFA_F_PERMANENT = 0x80;
const IFA_F_NOPREFIXROUTE = 0x200;

/** INFINITY_LIFE_TIME */
const FOREVER = 0xffff_ffff;
/** struct ifaddrmsg */
const HEADER = 8;

/** Which address, of which interface. */
export interface AddressKey {
  /** ifindex */
  readonly index: number;
  readonly address: string;
  /** Length of the network's prefix */
  readonly prefix: number;
}

/** An address to give to an interface. */
export interface AddressSpec extends AddressKey {
  /** IPv6: usable at once, without duplicate address detection (IFA_F_NODAD, RFC 4862 §5.4) */
  readonly noDad?: boolean;
  /** Default: `global` */
  readonly scope?: Scope;
  /** IPv4; no label if absent */
  readonly broadcast?: string;
  /** The kernel adds no route for the prefix (IFA_F_NOPREFIXROUTE) */
  readonly noPrefixRoute?: boolean;
  /** The other end of a point-to-point link; `prefix` is then its length */
  readonly peer?: string;
  /** Seconds; unlimited if absent */
  readonly validSeconds?: number;
  /** Seconds; default: `validSeconds` */
  readonly preferredSeconds?: number;
}

/** An address of an interface as the kernel reports it. */
export interface Address extends AddressKey {
  readonly family: Family;
  readonly scope: Scope;
  readonly peer: string | undefined;
  readonly broadcast: string | undefined;
  /** IPv4; by default the interface's name */
  readonly label: string | undefined;
  /** IPv6: duplicate address detection is in progress, so it is not usable yet (IFA_F_TENTATIVE) */
  readonly tentative: boolean;
  /** IPv6: duplicate address detection found it on a neighbour (IFA_F_DADFAILED) */
  readonly dadFailed: boolean;
  readonly noDad: boolean;
  readonly noPrefixRoute: boolean;
  /** Set by an administrator, with no lifetime (IFA_F_PERMANENT) */
  readonly permanent: boolean;
  /** Seconds left; `undefined` if unlimited */
  readonly validSeconds: number | undefined;
  /** Seconds left; `undefined` if unlimited */
  readonly preferredSeconds: number | undefined;
  /** IFA_F_* as received */
  readonly flags: number;
}

function encode(name: string, type: number, flags: number, spec: AddressSpec): NetlinkRequest {
  const ip = requireIp(name, spec.address);
  const peer = spec.peer === undefined ? ip : requireIp(name, spec.peer);
  const bits = ip.family === 4 ? 32 : 128;
  if (!Number.isInteger(spec.prefix) || spec.prefix < 0 || spec.prefix > bits) {
    throw invalidArgument(name, `${spec.address} with a prefix length of ${spec.prefix}`);
  }
  if (peer.family !== ip.family) throw invalidArgument(name, `${spec.address} and its peer ${spec.peer}`);
  const header = Buffer.alloc(HEADER);
  header.writeUInt8(familyNumber(ip.family), 0);
  header.writeUInt8(spec.prefix, 1);
  header.writeUInt8(scopeNumber(spec.scope ?? "global"), 3);
  header.writeUInt32LE(requireIndex(name, spec.index), 4);
  const parts = [header, bytesAttribute(IFA_LOCAL, ipBytes(ip)), bytesAttribute(IFA_ADDRESS, ipBytes(peer))];
  if (spec.broadcast !== undefined) {
    const broadcast = requireIp(name, spec.broadcast);
    if (ip.family !== 4 || broadcast.family !== 4) {
      throw invalidArgument(name, `${spec.address} with the broadcast address ${spec.broadcast}`);
    }
    parts.push(bytesAttribute(IFA_BROADCAST, ipBytes(broadcast)));
  }
  const bitmap =
    (spec.noDad === true && ip.family === 6 ? IFA_F_NODAD : 0) |
    (spec.noPrefixRoute === true ? IFA_F_NOPREFIXROUTE : 0);
  header.writeUInt8(bitmap & 0xff, 2);
  if (bitmap > 0xff) parts.push(u32Attribute(IFA_FLAGS, bitmap));
  if (spec.validSeconds !== undefined || spec.preferredSeconds !== undefined) {
    const valid = requireU32(name, "a lifetime of", spec.validSeconds ?? FOREVER);
    const cache = Buffer.alloc(16);
    cache.writeUInt32LE(requireU32(name, "a lifetime of", spec.preferredSeconds ?? valid), 0);
    cache.writeUInt32LE(valid, 4);
    parts.push(bytesAttribute(IFA_CACHEINFO, cache));
  }
  return { type, name, flags, payload: Buffer.concat(parts) };
}

/** Adds an address to an interface; `replace` changes an existing one instead of failing. */
export function encodeAddressNew(spec: AddressSpec, replace: boolean): NetlinkRequest {
  return encode("RTM_NEWADDR", RTM_NEWADDR, NLM_F_CREATE | (replace ? NLM_F_REPLACE : NLM_F_EXCL), spec);
}

/** Deletes an address from an interface. */
export function encodeAddressDelete(key: AddressKey & { readonly peer?: string }): NetlinkRequest {
  const { index, address, prefix, peer } = key;
  const spec = peer === undefined ? { index, address, prefix } : { index, address, prefix, peer };
  return encode("RTM_DELADDR", RTM_DELADDR, 0, spec);
}

/** Requests the addresses of one family or both, of one interface or all. */
export function encodeAddressDump(filter: { readonly family?: Family; readonly index?: number }): NetlinkRequest {
  const name = "RTM_GETADDR";
  const header = Buffer.alloc(HEADER);
  header.writeUInt8(filter.family === undefined ? AF_UNSPEC : familyNumber(filter.family), 0);
  if (filter.index !== undefined) header.writeUInt32LE(requireIndex(name, filter.index), 4);
  return { type: RTM_GETADDR, name, payload: header };
}

/** Reads the payload of an RTM_NEWADDR or RTM_DELADDR; `undefined` for other families. Throws `protocol`. */
export function decodeAddress(payload: Buffer): Address | undefined {
  if (payload.length < HEADER) throw malformed("address", `${payload.length} bytes`);
  const family = familyOf(payload.readUInt8(0));
  if (family === undefined) return undefined;
  const attributes = decodeAttributes(payload.subarray(HEADER), "address");
  const flags = attributes.u32(IFA_FLAGS) ?? payload.readUInt8(2);
  const far = attributes.bytes(IFA_ADDRESS);
  const near = attributes.bytes(IFA_LOCAL) ?? far;
  if (near === undefined) throw malformed("address", "it has none");
  const address = ipFromBytes(near, "address");
  const peer = far === undefined ? address : ipFromBytes(far, "address");
  const broadcast = attributes.bytes(IFA_BROADCAST);
  const cache = attributes.struct(IFA_CACHEINFO, 16);
  return {
    index: payload.readUInt32LE(4),
    family,
    address,
    prefix: payload.readUInt8(1),
    scope: scopeName(payload.readUInt8(3)),
    peer: peer === address ? undefined : peer,
    broadcast: broadcast === undefined ? undefined : ipFromBytes(broadcast, "address"),
    label: attributes.text(IFA_LABEL),
    tentative: (flags & IFA_F_TENTATIVE) !== 0,
    dadFailed: (flags & IFA_F_DADFAILED) !== 0,
    noDad: (flags & IFA_F_NODAD) !== 0,
    noPrefixRoute: (flags & IFA_F_NOPREFIXROUTE) !== 0,
    permanent: (flags & IFA_F_PERMANENT) !== 0,
    validSeconds: seconds(cache?.readUInt32LE(4)),
    preferredSeconds: seconds(cache?.readUInt32LE(0)),
    flags,
  };
}

function seconds(value: number | undefined): number | undefined {
  return value === FOREVER ? undefined : value;
}
