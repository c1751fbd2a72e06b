// SPDX-License-Identifier: Apache-2.0

import type { Link } from "../netlink/links.ts";
import { isHostLinkName } from "./link-names.ts";

/**
 * How objects of the node say that they are Weft's. What does not say so is never removed or changed.
 *
 * | object | mark |
 * | --- | --- |
 * | link | begins its alias (IFLA_IFALIAS, `ip link`) with `weft:`; a pod's also has the group {@link LINK_GROUP}; a VLAN sub-interface has the group {@link VLAN_LINK_GROUP} and no alias |
 * | address | is on a link of the desired state |
 * | route, rule | `protocol` 87, of probes 88 (rtnetlink(7), FRA_PROTOCOL) |
 * | qdisc | handle 5746: |
 * | table of nftables | is called `weft`, or `weft/` and something (`weft-tunnel` is of `start-ovs`) |
 * | row of Open vSwitch | `external_ids:weft-owner`; pods' ports have `vendor=kube-ovn` and `pod_name`, as Kube-OVN's |
 */
export const PROTOCOL = 87;

/** The owner of an engine's objects. Several engines on a node do not change each other's objects. */
export interface Owner {
  /** `protocol` of its routes and rules. */
  readonly protocol: number;
  /** `external_ids:weft-owner` of its ports in Open vSwitch. */
  readonly port: string;
  /** Alias of the links that it creates. */
  readonly linkAlias: string;
  /** Whether a table of nftables is its own. */
  ownsTable(name: string): boolean;
}

/**
 * Bit of the packet mark of packets from pods that kube-proxy has translated on this node: the rules for subnets with
 * an `externalEgressGateway` do not match them. kube-proxy's own bits are 0x4000 and 0x8000.
 */
export const TRANSLATED_MARK = 0x0100_0000;

/**
 * Handle of Weft's qdiscs ("WF"). The kernel's own have 0:, and those created without one get 8001: to ffff:, one
 * after another for the whole host (net/sched/sch_api.c, qdisc_alloc_handle).
 */
export const QDISC_HANDLE = "5746:";

/**
 * Interface group (IFLA_GROUP, `ip link set group`) of pods' host ends: the only mark that the kernel accepts while
 * it creates a link.
 */
export const LINK_GROUP = 87;

/** Interface group of VLAN sub-interfaces to networks outside (ProviderNetwork) that Weft has created. */
export const VLAN_LINK_GROUP = 5787;

/** Alias of links of the node's own, for example one that shapes traffic. */
export const NODE_LINK_ALIAS = "weft: node";

/** Beginning of the aliases of pods' host ends, see `pod-mark.ts`. */
export const POD_LINK_ALIAS = "weft: pod ";

/** `external_ids` key of rows that the drivers create in Open vSwitch's database. */
export const OVS_OWNER_KEY = "weft-owner";
/** Its value at an interface of Weft … */
const OWNER = "node";
/** … and at the interface of a bridge's own name, if the bridge is Weft's. */
export const BRIDGE_OWNER = "node/bridge";

/** Whether a link is the host end of a pod's pair: by its mark, or, if an earlier version has created it, by its name. */
export function isPodLink({ alias, kind, name }: Pick<Link, "alias" | "kind" | "name">): boolean {
  return alias === undefined ? kind === "veth" && isHostLinkName(name) : alias.startsWith(POD_LINK_ALIAS);
}

/** The table of nftables for probes of pods in custom VPCs. */
export const PROBE_TABLE = "inet weft/probes";

/** The table of nftables that keeps packets from pods out of the node's network stack. */
export const POD_LINK_TABLE = "inet weft/pod-links";

/** The table of nftables that keeps mirrored packets out of the node's network stack. */
export const MIRROR_TABLE = "netdev weft/mirror";

/** The table of nftables that keeps from the node's own stack what arrives at interfaces which are ports of a userspace datapath's bridges to networks outside. */
export const UPLINK_TABLE = "netdev weft/uplinks";

/** The node's own network: everything that belongs to no other owner. */
export const NODE_OWNER: Owner = {
  protocol: PROTOCOL,
  port: OWNER,
  linkAlias: NODE_LINK_ALIAS,
  ownsTable: (name) => isOurTable(name) && ![PROBE_TABLE, MIRROR_TABLE, UPLINK_TABLE].includes(name),
};

/** The node's connections to pods of custom VPCs for kubelet's probes (`src/daemon/probes`). */
export const PROBE_OWNER: Owner = {
  protocol: 88,
  port: "probes",
  linkAlias: "weft: probes",
  ownsTable: (name) => name === PROBE_TABLE,
};

/** The interface at which mirrored packets arrive (`src/daemon/pods/pod-mirror.ts`). It has no routes or rules. */
export const MIRROR_OWNER: Owner = {
  protocol: 89,
  port: "mirror",
  linkAlias: "weft: mirror",
  ownsTable: (name) => name === MIRROR_TABLE,
};

/** Whether a link is one by which pods of a custom VPC are probed: by its name, which is derived from the VPC's. */
export function isProbeLink({ name }: Pick<Link, "name">): boolean {
  return /^probe[0-9a-f]{10}$/.test(name);
}

/** Whether a table of nftables is Weft's. */
export function isOurTable(name: string): boolean {
  return /^\w+ weft(\/\S+)?$/.test(name);
}
