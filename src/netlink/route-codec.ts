// SPDX-License-Identifier: Apache-2.0

import type { Family } from "../net/address.ts";
import { bytesAttribute, decodeAttributes, nestedAttribute, u32Attribute } from "./attributes.ts";
import { invalidArgument, malformed } from "./error.ts";
import { type NetlinkRequest, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from "./message.ts";
import {
  decodeNextHops,
  decodeVia,
  encodeNextHops,
  encodeVia,
  type NextHop,
  type NextHopSpec,
} from "./next-hop-codec.ts";
import { type Scope, scopeName, scopeNumber } from "./scope.ts";
import {
  familyNumber,
  familyOf,
  ipBytes,
  ipFromBytes,
  prefixText,
  requireCidr,
  requireIndex,
  requireIp,
  requireU32,
} from "./values.ts";

/** linux/rtnetlink.h */
export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;

const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_METRICS = 8;
const RTA_MULTIPATH = 9;
const RTA_TABLE = 15;
const RTA_VIA = 18;
const RTAX_MTU = 2;
const RTNH_F_ONLINK = 4;
/** A cached copy for one destination (an IPv6 path MTU), not a configured route */
const RTM_F_CLONED = 0x200;
/** struct rtmsg */
const HEADER = 12;

/** The table that `ip route` shows. */
export const ROUTE_TABLE_MAIN = 254;
/** The table of local addresses. */
export const ROUTE_TABLE_LOCAL = 255;
/** The origin of a route (RTPROT_*): the kernel, for an interface's address; */
export const ROUTE_PROTOCOL_KERNEL = 2;
/** an administrator, permanently (the default here). */
export const ROUTE_PROTOCOL_STATIC = 4;

/** RTN_*, in the order of their numbers. */
const TYPES = [
  "none",
  "unicast",
  "local",
  "broadcast",
  "anycast",
  "multicast",
  "blackhole",
  "unreachable",
  "prohibit",
  "throw",
  "nat",
  "xresolve",
] as const;

/** The type of a route: what happens to matching packets (rtnetlink(7) rtm_type). */
export type RouteType = (typeof TYPES)[number];

/** A route to add, replace or delete. */
export interface RouteSpec {
  /** A prefix: "10.16.0.0/16", "0.0.0.0/0", "::/0" */
  readonly destination: string;
  /** May be of the other family (IPv4 through an IPv6 gateway, RFC 5549) */
  readonly gateway?: string;
  /** ifindex */
  readonly device?: number;
  /** Treat the gateway as directly attached to the device, even if no prefix of it contains the gateway (RTNH_F_ONLINK) */
  readonly onlink?: boolean;
  /** Several next hops, instead of `gateway` and `device` */
  readonly nextHops?: readonly NextHopSpec[];
  /** Preferred source address of the host for this route */
  readonly source?: string;
  /** Default: 254, the main table */
  readonly table?: number;
  /** Lower has precedence. Default: 0, which IPv6 turns into 1024 */
  readonly metric?: number;
  /** Default: as in ip-route(8): `host` for a local route, `link` for IPv4 without gateway, else `global` */
  readonly scope?: Scope;
  /** RTPROT_*; default: ROUTE_PROTOCOL_STATIC */
  readonly protocol?: number;
  /** Default: `unicast` */
  readonly type?: RouteType;
  /** Path MTU, bytes */
  readonly mtu?: number;
}

/** A route as the kernel reports it. */
export interface Route {
  readonly family: Family;
  readonly destination: string;
  readonly gateway: string | undefined;
  readonly device: number | undefined;
  readonly onlink: boolean;
  /** Empty unless there are several next hops */
  readonly nextHops: readonly NextHop[];
  readonly source: string | undefined;
  readonly table: number;
  readonly metric: number;
  readonly scope: Scope;
  readonly protocol: number;
  readonly type: RouteType;
  readonly mtu: number | undefined;
  /** RTNH_F_*: dead, link down … */
  readonly flags: number;
}

function defaultScope(spec: RouteSpec, family: Family): Scope {
  const type = spec.type ?? "unicast";
  if (type === "local" || type === "nat") return "host";
  if (type === "broadcast" || type === "multicast" || type === "anycast") return "link";
  const direct = spec.gateway === undefined && (spec.nextHops ?? []).every((hop) => hop.gateway === undefined);
  return family === 4 && type === "unicast" && direct ? "link" : "global";
}

function encode(name: string, type: number, flags: number, spec: RouteSpec, scope: Scope | undefined): NetlinkRequest {
  const destination = requireCidr(name, spec.destination);
  const { family } = destination;
  if (spec.nextHops !== undefined && (spec.gateway !== undefined || spec.device !== undefined)) {
    throw invalidArgument(name, "both next hops and a gateway or device");
  }
  const table = requireU32(name, "table", spec.table ?? ROUTE_TABLE_MAIN);
  const header = Buffer.alloc(HEADER);
  header.writeUInt8(familyNumber(family), 0);
  header.writeUInt8(destination.prefix, 1);
  // The header holds tables up to 255; the others are in RTA_TABLE.
  header.writeUInt8(table < 256 ? table : 0, 4);
  header.writeUInt8(protocolNumber(name, spec.protocol ?? (type === RTM_DELROUTE ? 0 : ROUTE_PROTOCOL_STATIC)), 5);
  header.writeUInt8(scopeNumber(spec.scope ?? scope ?? defaultScope(spec, family)), 6);
  const kind = spec.type ?? (type === RTM_DELROUTE ? "none" : "unicast");
  header.writeUInt8(TYPES.indexOf(kind), 7);
  header.writeUInt32LE(spec.onlink === true ? RTNH_F_ONLINK : 0, 8);
  const parts: Buffer[] = [header];
  if (destination.prefix > 0) parts.push(bytesAttribute(RTA_DST, ipBytes({ family, value: destination.base })));
  if (spec.gateway !== undefined) {
    const gateway = requireIp(name, spec.gateway);
    const same = gateway.family === family;
    parts.push(same ? bytesAttribute(RTA_GATEWAY, ipBytes(gateway)) : bytesAttribute(RTA_VIA, encodeVia(gateway)));
  }
  if (spec.source !== undefined) {
    const source = requireIp(name, spec.source);
    if (source.family !== family) throw invalidArgument(name, `${spec.source} as a source for ${spec.destination}`);
    parts.push(bytesAttribute(RTA_PREFSRC, ipBytes(source)));
  }
  if (spec.metric !== undefined) parts.push(u32Attribute(RTA_PRIORITY, requireU32(name, "a metric of", spec.metric)));
  if (table > 255) parts.push(u32Attribute(RTA_TABLE, table));
  if (spec.device !== undefined) parts.push(u32Attribute(RTA_OIF, requireIndex(name, spec.device)));
  if (spec.mtu !== undefined) {
    parts.push(nestedAttribute(RTA_METRICS, [u32Attribute(RTAX_MTU, requireU32(name, "an MTU of", spec.mtu))]));
  }
  if (spec.nextHops !== undefined) {
    parts.push(bytesAttribute(RTA_MULTIPATH, encodeNextHops(name, family, spec.nextHops)));
  }
  return { type, name, flags, payload: Buffer.concat(parts) };
}

function protocolNumber(name: string, protocol: number): number {
  if (!Number.isInteger(protocol) || protocol < 0 || protocol > 255)
    throw invalidArgument(name, `protocol ${protocol}`);
  return protocol;
}

/** Adds a route; `replace` replaces one with the same destination, table and metric instead of failing. */
export function encodeRouteNew(spec: RouteSpec, replace: boolean): NetlinkRequest {
  const flags = NLM_F_CREATE | (replace ? NLM_F_REPLACE : NLM_F_EXCL);
  return encode("RTM_NEWROUTE", RTM_NEWROUTE, flags, spec, undefined);
}

/** Deletes the first route that matches all fields of the key; absent fields match anything. */
export function encodeRouteDelete(key: RouteSpec): NetlinkRequest {
  return encode("RTM_DELROUTE", RTM_DELROUTE, 0, key, "nowhere");
}

/** Requests the routes of a family; the kernel applies the filter. */
export function encodeRouteDump(
  family: Family,
  filter: { readonly table?: number; readonly device?: number; readonly protocol?: number },
): NetlinkRequest {
  const name = "RTM_GETROUTE";
  const header = Buffer.alloc(HEADER);
  header.writeUInt8(familyNumber(family), 0);
  header.writeUInt8(protocolNumber(name, filter.protocol ?? 0), 5);
  const parts: Buffer[] = [header];
  if (filter.table !== undefined) parts.push(u32Attribute(RTA_TABLE, requireU32(name, "table", filter.table)));
  if (filter.device !== undefined) parts.push(u32Attribute(RTA_OIF, requireIndex(name, filter.device)));
  return { type: RTM_GETROUTE, name, payload: Buffer.concat(parts) };
}

/** Reads the payload of an RTM_NEWROUTE or RTM_DELROUTE; `undefined` for other families and cached copies. Throws `protocol`. */
export function decodeRoute(payload: Buffer): Route | undefined {
  if (payload.length < HEADER) throw malformed("route", `${payload.length} bytes`);
  const family = familyOf(payload.readUInt8(0));
  const flags = payload.readUInt32LE(8);
  if (family === undefined || (flags & RTM_F_CLONED) !== 0) return undefined;
  const attributes = decodeAttributes(payload.subarray(HEADER), "route");
  const gateway = attributes.bytes(RTA_GATEWAY);
  const via = attributes.bytes(RTA_VIA);
  const source = attributes.bytes(RTA_PREFSRC);
  const hops = attributes.bytes(RTA_MULTIPATH);
  return {
    family,
    destination: prefixText(family, attributes.bytes(RTA_DST), payload.readUInt8(1), "route"),
    gateway: gateway !== undefined ? ipFromBytes(gateway, "route") : via !== undefined ? decodeVia(via) : undefined,
    device: attributes.u32(RTA_OIF),
    onlink: (flags & RTNH_F_ONLINK) !== 0,
    nextHops: hops === undefined ? [] : decodeNextHops(hops),
    source: source === undefined ? undefined : ipFromBytes(source, "route"),
    table: attributes.u32(RTA_TABLE) ?? payload.readUInt8(4),
    metric: attributes.u32(RTA_PRIORITY) ?? 0,
    scope: scopeName(payload.readUInt8(6)),
    protocol: payload.readUInt8(5),
    type: TYPES[payload.readUInt8(7)] ?? "none",
    mtu: attributes.nested(RTA_METRICS)?.u32(RTAX_MTU),
    flags,
  };
}
