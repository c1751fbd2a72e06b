// SPDX-License-Identifier: Apache-2.0

import type { RuleSpec } from "../netlink/rules.ts";
import type { QdiscSpec } from "../netlink/tc.ts";

/**
 * The desired state of a node, as plain objects by kind. Pure functions create it, and the drivers compare it with
 * the present state. An omitted kind is skipped; an empty one means that nothing of it is wanted, and Weft's objects
 * of that kind are removed.
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

/** Weft's part of the local Open vSwitch database (ovs-vswitchd.conf.db(5)). */
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
  /** The initial `external_ids`. */
  readonly externalIds: Readonly<Record<string, string>>;
}

/** A port with one interface of type `internal`: a device of the node that ovs-vswitchd creates. */
export interface OvsPortState {
  readonly name: string;
  readonly bridge: string;
  readonly mac: string;
  /** Bytes. */
  readonly mtu: number;
  /** These keys of the interface's `external_ids`; the others are other programs'. */
  readonly externalIds: Readonly<Record<string, string>>;
}

/** A network interface, which is set up. All of its addresses are Weft's. */
export interface LinkState {
  readonly name: string;
  /**
   * The kind of link to create ("ifb", "bridge", "dummy"), with Weft's mark; absent: another program creates it, and
   * it is set up once it exists.
   */
  readonly make?: string;
  readonly mac?: string;
  /** Bytes. */
  readonly mtu?: number;
  /** The device must not leave checksums to the receiver (see {@link import("../netlink/ethtool.ts").setTxChecksum}). */
  readonly checksumOff?: boolean;
}

/** In a key of {@link SysctlState}: each interface that is neither loopback nor the host end of a pod's pair. */
export const EACH_UPLINK = "*";

/** A setting of the kernel below /proc/sys/net. */
export interface SysctlState {
  readonly key: readonly string[];
  readonly value: string;
  /** Only if it has this value: any other is an administrator's decision. */
  readonly insteadOf?: string;
  /** The interface of the key: it may not exist yet. */
  readonly link?: string;
}

/** An address of one of {@link NodeState.links}, with the routes that the kernel creates for it. */
export interface AddressState {
  readonly link: string;
  readonly address: string;
  readonly prefix: number;
  /** `link`: any link-local address (RFC 4291 §2.5.6) is sufficient; this one is added if there is none. */
  readonly scope?: "link";
}

/** A route of the main table, or of another one: by a link, or `unreachable`. */
export type RouteState = LinkRouteState | UnreachableState;

/** Packets that no other route of the table matches get an ICMP error, instead of being looked up in further tables. */
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
  /** The gateway is treated as on-link although no address of the link contains it. */
  readonly onlink?: boolean;
  /** The source address of packets from the node itself. */
  readonly source?: string;
  readonly table?: number;
  readonly metric?: number;
}

/** A rule of the routing policy (ip-rule(8)). */
export type RuleState = Omit<RuleSpec, "protocol">;

/** The queueing discipline at the root of an interface. */
export type QdiscState = { readonly link: string } & Omit<
  Extract<QdiscSpec, { kind: "tbf" }>,
  "index" | "parent" | "handle"
>;

/** A table of nftables. */
export interface TableState {
  /** Family and name as nft(8) writes them: "inet weft". */
  readonly name: string;
  /** Input of `nft -f -` that replaces the table. */
  readonly script: string;
  /** The interface of its rules: the table is not created before it exists. */
  readonly link?: string;
}
