// SPDX-License-Identifier: Apache-2.0

import type { RuleSpec } from "../netlink/rules.ts";
import type { QdiscSpec } from "../netlink/tc.ts";

/**
 * The desired state of a node: what is to be there, as plain objects by kind. It is made by pure functions and compared by the drivers with what is
 * there. A kind that is left out is not looked at; an empty one means that nothing of it is wanted, and what is ours of it goes.
 */
export interface NodeState {
  readonly ovs?: OvsState;
  readonly links?: readonly LinkState[];
  readonly sysctls?: readonly SysctlState[];
  readonly addresses?: readonly AddressState[];
  readonly routes?: readonly RouteState[];
  readonly rules?: readonly RuleState[];
  readonly qdiscs?: readonly QdiscState[];
  readonly tables?: readonly TableState[];
}

/** What is ours of the local Open vSwitch database (ovs-vswitchd.conf.db(5)). */
export interface OvsState {
  /** Keys of `external_ids` of `Open_vSwitch`; the others are other programs'. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly bridges?: readonly OvsBridgeState[];
  readonly ports?: readonly OvsPortState[];
}

/** A bridge. */
export interface OvsBridgeState {
  readonly name: string;
  /** "system" or "netdev". */
  readonly datapathType: string;
  /** What its `external_ids` begin with. */
  readonly externalIds: Readonly<Record<string, string>>;
}

/** A port with one interface of type `internal`: a device of the node that ovs-vswitchd makes. */
export interface OvsPortState {
  readonly name: string;
  readonly bridge: string;
  readonly mac: string;
  /** Bytes. */
  readonly mtu: number;
  /** These keys of the interface's `external_ids`; the others are other programs'. */
  readonly externalIds: Readonly<Record<string, string>>;
}

/** A network interface; it is to be up. All addresses of it are ours. */
export interface LinkState {
  readonly name: string;
  /** The kind of link to make ("ifb", "bridge", "dummy"), marked as ours; absent: another program makes it, and it is set up once it is there. */
  readonly make?: string;
  readonly mac?: string;
  /** Bytes. */
  readonly mtu?: number;
  /** The device must not leave checksums to the receiver (see {@link import("../netlink/ethtool.ts").setTxChecksum}). */
  readonly checksumOff?: boolean;
}

/** In a key of {@link SysctlState}: each interface that is neither loopback nor the host end of a pod's. */
export const EACH_UPLINK = "*";

/** A setting of the kernel below /proc/sys/net. */
export interface SysctlState {
  readonly key: readonly string[];
  readonly value: string;
  /** Only where it has this value: any other is an administrator's decision. */
  readonly insteadOf?: string;
  /** The interface that the key is about: it may not be there yet. */
  readonly link?: string;
}

/** An address of one of {@link NodeState.links}, with the routes that the kernel makes of it. */
export interface AddressState {
  readonly link: string;
  readonly address: string;
  readonly prefix: number;
  /** `link`: any link-local address (RFC 4291 §2.5.6) will do, this one is added where there is none. */
  readonly scope?: "link";
}

/** A route of the main table, or of another one: by a link, or `unreachable`. */
export type RouteState = LinkRouteState | UnreachableState;

/** What no other route of the table leads to gets an ICMP error, instead of being looked up in further tables. */
export interface UnreachableState {
  readonly type: "unreachable";
  /** A prefix. */
  readonly destination: string;
  readonly table: number;
  readonly metric: number;
}

/** A route by a link. */
export interface LinkRouteState {
  readonly type?: undefined;
  readonly link: string;
  /** A prefix. */
  readonly destination: string;
  readonly gateway?: string;
  /** No address of the link says that the gateway is on it. */
  readonly onlink?: boolean;
  /** The address from which the node itself sends there. */
  readonly source?: string;
  readonly table?: number;
  readonly metric?: number;
}

/** A rule of the routing policy (ip-rule(8)). */
export type RuleState = Omit<RuleSpec, "protocol">;

/** The queueing discipline at the root of an interface. */
export type QdiscState = { readonly link: string } & (
  | Omit<Extract<QdiscSpec, { kind: "tbf" }>, "index" | "parent" | "handle">
  | Omit<Extract<QdiscSpec, { kind: "htb" }>, "index" | "parent" | "handle">
);

/** A table of nftables. */
export interface TableState {
  /** Family and name as nft(8) writes them: "inet weft". */
  readonly name: string;
  /** Input of `nft -f -` that replaces the table. */
  readonly script: string;
  /** The interface that its rules are about: before it is there the table is not made. */
  readonly link?: string;
}
