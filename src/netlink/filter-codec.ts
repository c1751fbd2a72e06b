// SPDX-License-Identifier: Apache-2.0

import type { Family } from "../net/address.ts";
import { bytesAttribute, nestedAttribute, textAttribute, u32Attribute } from "./attributes.ts";
import { invalidArgument } from "./error.ts";
import { type NetlinkRequest, NLM_F_CREATE, NLM_F_EXCL } from "./message.ts";
import {
  decodeTcHead,
  handleNumber,
  handleText,
  TCA_KIND,
  TCA_OPTIONS,
  type TcHandle,
  tcHeader,
} from "./tc-message.ts";
import { ipBytes, requireCidr, requireIndex } from "./values.ts";

/** linux/rtnetlink.h */
export const RTM_NEWTFILTER = 44;
const RTM_DELTFILTER = 45;
const RTM_GETTFILTER = 46;

/** Attributes (linux/pkt_cls.h, linux/tc_act/tc_mirred.h). */
const TCA_U32_CLASSID = 1;
const TCA_U32_SEL = 5;
const TCA_U32_ACT = 7;
const TCA_ACT_KIND = 1;
const TCA_ACT_OPTIONS = 2;
const TCA_MIRRED_PARMS = 2;
const TCA_EGRESS_REDIR = 1;
const TC_ACT_STOLEN = 4;
/** A match ends the search (struct tc_u32_sel.flags). */
const TC_U32_TERMINAL = 1;

/** family → Ethernet type */
const ETHER_TYPES = { 4: 0x0800, 6: 0x86dd, all: 0x0003 } as const;
/** Offsets of the addresses in the header of each family, in bytes (RFC 791 §3.1, RFC 8200 §3). */
const OFFSETS = { 4: { source: 12, destination: 16 }, 6: { source: 8, destination: 24 } } as const;

/** A u32 filter (tc-u32(8)): a match and an action. */
export interface FilterSpec {
  readonly index: number;
  /** The qdisc or class that it is attached to: "1:", or "ffff:" for ingress */
  readonly parent: TcHandle;
  /** 1 to 65,535, lower first. All filters of a priority have one family, and are deleted together */
  readonly priority: number;
  /** Default: `all`, which matches packets of any protocol */
  readonly family?: Family;
  /** Prefixes; an absent one matches all */
  readonly source?: string;
  readonly destination?: string;
  /** The class of matching packets */
  readonly class?: TcHandle;
  /** ifindex of the interface to redirect matching packets to (mirred egress redirect), such as an ifb */
  readonly redirect?: number;
}

/** A filter as the kernel reports it. */
export interface Filter {
  readonly index: number;
  readonly kind: string;
  readonly parent: TcHandle;
  readonly priority: number;
  readonly class: TcHandle | undefined;
}

/** Adds a filter after those of its priority. */
export function encodeFilterAdd(spec: FilterSpec): NetlinkRequest {
  const name = "RTM_NEWTFILTER";
  if (spec.family === undefined && (spec.source !== undefined || spec.destination !== undefined)) {
    throw invalidArgument(name, "an address to match, but no family");
  }
  const keys = spec.family === undefined ? [] : addressKeys(name, spec.family, spec);
  // A filter must have a key; a mask of zeros matches everything.
  if (keys.length === 0) keys.push(Buffer.alloc(16));
  const options = [bytesAttribute(TCA_U32_SEL, selector(keys))];
  if (spec.class !== undefined) options.push(u32Attribute(TCA_U32_CLASSID, handleNumber(name, spec.class)));
  if (spec.redirect !== undefined) options.push(redirect(requireIndex(name, spec.redirect)));
  const payload = Buffer.concat([
    header(name, spec, ETHER_TYPES[spec.family ?? "all"]),
    textAttribute(TCA_KIND, "u32"),
    nestedAttribute(TCA_OPTIONS, options),
  ]);
  return { type: RTM_NEWTFILTER, name, flags: NLM_F_CREATE | NLM_F_EXCL, payload };
}

/** tcm_info holds the priority, and the Ethernet type in network order. */
function header(name: string, at: Pick<FilterSpec, "index" | "parent" | "priority">, etherType: number): Buffer {
  if (!Number.isInteger(at.priority) || at.priority < 1 || at.priority > 0xffff) {
    throw invalidArgument(name, `priority ${at.priority}`);
  }
  const swapped = ((etherType & 0xff) << 8) | (etherType >>> 8);
  return tcHeader(requireIndex(name, at.index), 0, handleNumber(name, at.parent), at.priority * 0x1_0000 + swapped);
}

/** struct tc_u32_key for each 32 bits of a prefix that are not all free. */
function addressKeys(name: string, family: Family, spec: FilterSpec): Buffer[] {
  const keys: Buffer[] = [];
  for (const side of ["source", "destination"] as const) {
    const text = spec[side];
    if (text === undefined) continue;
    const cidr = requireCidr(name, text);
    if (cidr.family !== family) throw invalidArgument(name, `${text} in a filter for IPv${family}`);
    const value = ipBytes({ family, value: cidr.base });
    for (let word = 0; word * 32 < cidr.prefix; word++) {
      const bits = Math.min(32, cidr.prefix - word * 32);
      const key = Buffer.alloc(16);
      key.writeUInt32BE((2 ** bits - 1) * 2 ** (32 - bits), 0);
      value.copy(key, 4, word * 4, word * 4 + 4);
      key.writeInt32LE(OFFSETS[family][side] + word * 4, 8);
      keys.push(key);
    }
  }
  return keys;
}

/** struct tc_u32_sel */
function selector(keys: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt8(TC_U32_TERMINAL, 0);
  head.writeUInt8(keys.length, 2);
  return Buffer.concat([head, ...keys]);
}

/** The one action of a filter: out of another interface. struct tc_mirred is in TCA_MIRRED_PARMS. */
function redirect(index: number): Buffer {
  const parms = Buffer.alloc(28);
  parms.writeInt32LE(TC_ACT_STOLEN, 8);
  parms.writeInt32LE(TCA_EGRESS_REDIR, 20);
  parms.writeUInt32LE(index, 24);
  const first = nestedAttribute(1, [
    textAttribute(TCA_ACT_KIND, "mirred"),
    nestedAttribute(TCA_ACT_OPTIONS, [bytesAttribute(TCA_MIRRED_PARMS, parms)]),
  ]);
  return nestedAttribute(TCA_U32_ACT, [first]);
}

/** Deletes every filter of a priority. */
export function encodeFilterDelete(at: { index: number; parent: TcHandle; priority: number }): NetlinkRequest {
  const name = "RTM_DELTFILTER";
  return { type: RTM_DELTFILTER, name, payload: header(name, at, 0) };
}

/** Asks for the filters on a qdisc or class. */
export function encodeFilterDump(index: number, parent: TcHandle): NetlinkRequest {
  const name = "RTM_GETTFILTER";
  return { type: RTM_GETTFILTER, name, payload: tcHeader(requireIndex(name, index), 0, handleNumber(name, parent)) };
}

/**
 * Reads the payload of an RTM_NEWTFILTER; `undefined` for the hash tables that u32 lists among its filters.
 * Throws `protocol`.
 */
export function decodeFilter(payload: Buffer): Filter | undefined {
  const { index, kind, parent, info, options } = decodeTcHead(payload, "filter", ["u32"]);
  if (kind === "u32" && options?.bytes(TCA_U32_SEL) === undefined) return undefined;
  const classId = options?.u32(TCA_U32_CLASSID);
  return {
    index,
    kind,
    parent,
    priority: info >>> 16,
    class: classId === undefined ? undefined : handleText(classId),
  };
}
