// SPDX-License-Identifier: Apache-2.0

import {
  type AttributeSet,
  bytesAttribute,
  decodeAttributes,
  nestedAttribute,
  textAttribute,
  u16Attribute,
  u32Attribute,
} from "./attributes.ts";
import { invalidArgument, malformed } from "./error.ts";
import { type NetlinkRequest, NLM_F_CREATE, NLM_F_EXCL } from "./message.ts";
import { AF_UNSPEC, linkAddressText, macBytes, requireIndex, requireInterfaceName, requireU32 } from "./values.ts";

/** linux/rtnetlink.h */
export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_SETLINK = 19;

/** Attributes (linux/if_link.h). */
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_OPERSTATE = 16;
const IFLA_LINKINFO = 18;
const IFLA_IFALIAS = 20;
const IFLA_GROUP = 27;
const IFLA_NET_NS_FD = 28;
const IFLA_EXT_MASK = 29;
const IFLA_LINK_NETNSID = 37;
const IFLA_PROP_LIST = 52;
const IFLA_ALT_IFNAME = 53;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const IFLA_VLAN_ID = 1;
/** Leaves out the counters of IPv6 and of virtual functions, a third of the message. */
const RTEXT_FILTER_SKIP_STATS = 8;

/** Flags (linux/if.h). */
const IFF_UP = 0x1;
const IFF_LOOPBACK = 0x8;
const IFF_PROMISC = 0x100;
const IFF_LOWER_UP = 0x10000;

/** struct ifinfomsg */
const HEADER = 16;

/** RFC 2863 §3.1.14, in the order of the kernel's IF_OPER_*. */
const OPER_STATES = ["unknown", "not-present", "down", "lower-layer-down", "testing", "dormant", "up"] as const;

/** The operational state of an interface (RFC 2863 ifOperStatus). `unknown` for drivers that do not report it: loopback, tun. */
export type OperState = (typeof OPER_STATES)[number];

/** A network interface as the kernel reports it. */
export interface Link {
  /** ifindex, unique in its network namespace */
  readonly index: number;
  readonly name: string;
  /** "veth", "bridge", "tun", "vlan" …; `undefined` for hardware and loopback */
  readonly kind: string | undefined;
  /** Lower case with colons; `undefined` if there is none or it is all zeros (loopback) */
  readonly mac: string | undefined;
  /** Bytes */
  readonly mtu: number;
  /** Administratively up (IFF_UP) */
  readonly up: boolean;
  /** Has a carrier (IFF_LOWER_UP) */
  readonly carrier: boolean;
  readonly operState: OperState;
  readonly loopback: boolean;
  /** Set promiscuous by an administrator (IFF_PROMISC); ports of a bridge are promiscuous without this flag */
  readonly promiscuous: boolean;
  /** IFLA_IFALIAS, free text */
  readonly alias: string | undefined;
  /** IFLA_GROUP (`ip link set group`), default 0 */
  readonly group: number;
  /** Alternative names */
  readonly altNames: readonly string[];
  /** ifindex of the bridge, bond or OVS datapath it is a port of */
  readonly master: number | undefined;
  /** IFLA_LINK: a veth's other end, a VLAN's parent. An ifindex in the namespace `peerNetnsId`, if that is set */
  readonly peer: number | undefined;
  /** The id of the peer's namespace in this namespace; `undefined` if it is the same namespace */
  readonly peerNetnsId: number | undefined;
  /** IFF_* as received */
  readonly flags: number;
}

/** One end of a veth pair. */
export interface VethEnd {
  readonly name: string;
  /** Default: a random one, chosen by the kernel */
  readonly mac?: string;
  /** Bytes */
  readonly mtu?: number;
  readonly up?: boolean;
  /** IFLA_GROUP; default 0 */
  readonly group?: number;
}

/** Changes of an interface; absent fields stay unchanged. */
export interface LinkAttributes {
  readonly up?: boolean;
  readonly promiscuous?: boolean;
  readonly name?: string;
  readonly mac?: string;
  /** Bytes */
  readonly mtu?: number;
  /** "" removes it */
  readonly alias?: string;
  /** IFLA_GROUP */
  readonly group?: number;
  /** ifindex of the bridge to attach it to; 0 detaches it */
  readonly master?: number;
  /** An open descriptor of the network namespace to move it to */
  readonly netnsFd?: number;
}

function header(index: number, flags = 0, change = 0): Buffer {
  const out = Buffer.alloc(HEADER);
  out.writeInt32LE(index, 4);
  out.writeUInt32LE(flags, 8);
  out.writeUInt32LE(change, 12);
  return out;
}

function body(operation: string, index: number, link: LinkAttributes): Buffer[] {
  let flags = 0;
  let change = 0;
  for (const [bit, on] of [
    [IFF_UP, link.up],
    [IFF_PROMISC, link.promiscuous],
  ] as const) {
    if (on === undefined) continue;
    change |= bit;
    if (on) flags |= bit;
  }
  const parts = [header(index, flags, change)];
  if (link.mac !== undefined) parts.push(bytesAttribute(IFLA_ADDRESS, macBytes(operation, link.mac)));
  if (link.mtu !== undefined) parts.push(u32Attribute(IFLA_MTU, requireU32(operation, "an MTU of", link.mtu)));
  if (link.alias !== undefined) {
    if (Buffer.byteLength(link.alias) > 255) throw invalidArgument(operation, "an alias of more than 255 bytes");
    // Without a terminating zero: an empty value removes the alias.
    parts.push(bytesAttribute(IFLA_IFALIAS, Buffer.from(link.alias)));
  }
  if (link.group !== undefined) parts.push(u32Attribute(IFLA_GROUP, requireU32(operation, "group", link.group)));
  if (link.master !== undefined) parts.push(u32Attribute(IFLA_MASTER, requireU32(operation, "master", link.master)));
  if (link.netnsFd !== undefined) parts.push(u32Attribute(IFLA_NET_NS_FD, link.netnsFd));
  if (link.name !== undefined) {
    parts.push(textAttribute(IFLA_IFNAME, requireInterfaceName(operation, link.name)));
  }
  return parts;
}

function lookup(operation: string, which: string | number): Buffer[] {
  if (typeof which === "number") return [header(requireIndex(operation, which))];
  return [header(0), textAttribute(IFLA_IFNAME, requireInterfaceName(operation, which))];
}

/** Requests one interface by index or by name or alternative name. */
export function encodeLinkGet(which: string | number): NetlinkRequest {
  const name = "RTM_GETLINK";
  const payload = [...lookup(name, which), u32Attribute(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)];
  return { type: RTM_GETLINK, name, payload: Buffer.concat(payload) };
}

/** Requests all interfaces. */
export function encodeLinkDump(): NetlinkRequest {
  const payload = [header(0), u32Attribute(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)];
  return { type: RTM_GETLINK, name: "RTM_GETLINK", payload: Buffer.concat(payload) };
}

/**
 * Creates both ends of a veth pair, `peer` in the namespace of `peerNetnsFd`. Moving an end there afterwards
 * would cost an RCU grace period (milliseconds) and show it for a moment in the wrong namespace.
 */
export function encodeVethCreate(
  near: VethEnd & { readonly alias?: string },
  peer: VethEnd,
  peerNetnsFd?: number,
): NetlinkRequest {
  const name = "RTM_NEWLINK";
  const far: LinkAttributes = peerNetnsFd === undefined ? peer : { ...peer, netnsFd: peerNetnsFd };
  const payload = [
    ...body(name, 0, near),
    nestedAttribute(IFLA_LINKINFO, [
      bytesAttribute(IFLA_INFO_KIND, Buffer.from("veth")),
      nestedAttribute(IFLA_INFO_DATA, [bytesAttribute(VETH_INFO_PEER, Buffer.concat(body(name, 0, far)))]),
    ]),
  ];
  return { type: RTM_NEWLINK, name, flags: NLM_F_CREATE | NLM_F_EXCL, payload: Buffer.concat(payload) };
}

/** Creates an interface of a kind that has no attributes of its own ("bridge", "ifb", "dummy"), or a VLAN on `parent`. */
export function encodeLinkCreate(
  kind: string,
  link: LinkAttributes & { readonly name: string },
  on: { readonly parent?: number; readonly vlan?: number } = {},
): NetlinkRequest {
  const name = "RTM_NEWLINK";
  const info = [bytesAttribute(IFLA_INFO_KIND, Buffer.from(kind))];
  if (on.vlan !== undefined) {
    if (!Number.isInteger(on.vlan) || on.vlan < 1 || on.vlan > 4094) {
      throw invalidArgument(name, `${on.vlan} is not a VLAN number`);
    }
    info.push(nestedAttribute(IFLA_INFO_DATA, [u16Attribute(IFLA_VLAN_ID, on.vlan)]));
  }
  const payload = body(name, 0, link);
  if (on.parent !== undefined) payload.push(u32Attribute(IFLA_LINK, requireIndex(name, on.parent)));
  payload.push(nestedAttribute(IFLA_LINKINFO, info));
  return { type: RTM_NEWLINK, name, flags: NLM_F_CREATE | NLM_F_EXCL, payload: Buffer.concat(payload) };
}

/** Changes an interface. */
export function encodeLinkSet(index: number, change: LinkAttributes): NetlinkRequest {
  const name = "RTM_SETLINK";
  return { type: RTM_SETLINK, name, payload: Buffer.concat(body(name, requireIndex(name, index), change)) };
}

/** Deletes an interface; deleting one end of a veth pair deletes both. */
export function encodeLinkDelete(which: string | number): NetlinkRequest {
  const name = "RTM_DELLINK";
  return { type: RTM_DELLINK, name, payload: Buffer.concat(lookup(name, which)) };
}

/**
 * Reads the payload of an RTM_NEWLINK or RTM_DELLINK; `undefined` for messages of a family (an RTM_DELLINK of
 * AF_BRIDGE means that a port left a bridge; the interface still exists). Throws `protocol`.
 */
export function decodeLink(payload: Buffer): Link | undefined {
  if (payload.length < HEADER) throw malformed("link", `${payload.length} bytes`);
  if (payload.readUInt8(0) !== AF_UNSPEC) return undefined;
  const index = payload.readInt32LE(4);
  const flags = payload.readUInt32LE(8);
  const attributes = decodeAttributes(payload.subarray(HEADER), "link");
  const master = attributes.u32(IFLA_MASTER);
  return {
    index,
    name: attributes.text(IFLA_IFNAME) ?? "",
    kind: attributes.nested(IFLA_LINKINFO)?.text(IFLA_INFO_KIND),
    mac: linkAddressText(attributes.bytes(IFLA_ADDRESS)),
    mtu: attributes.u32(IFLA_MTU) ?? 0,
    up: (flags & IFF_UP) !== 0,
    carrier: (flags & IFF_LOWER_UP) !== 0,
    operState: OPER_STATES[attributes.u8(IFLA_OPERSTATE) ?? 0] ?? "unknown",
    loopback: (flags & IFF_LOOPBACK) !== 0,
    promiscuous: (flags & IFF_PROMISC) !== 0,
    alias: attributes.text(IFLA_IFALIAS),
    group: attributes.u32(IFLA_GROUP) ?? 0,
    altNames: altNames(attributes),
    master: master === 0 ? undefined : master,
    peer: attributes.u32(IFLA_LINK) || undefined,
    peerNetnsId: attributes.i32(IFLA_LINK_NETNSID),
    flags,
  };
}

function altNames(attributes: AttributeSet): readonly string[] {
  const list = attributes.nested(IFLA_PROP_LIST);
  if (list === undefined) return [];
  return list.all(IFLA_ALT_IFNAME).map((bytes) => bytes.toString("utf8").replace(/\0.*$/s, ""));
}
