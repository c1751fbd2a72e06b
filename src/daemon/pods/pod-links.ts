// SPDX-License-Identifier: Apache-2.0

import type { InterfaceAddress } from "../../contract/pod.ts";
import type { Netem } from "../../contract/qos-record.ts";
import type { PodRoute } from "../cni/allocation.ts";
import type { PodMark } from "./pod-mark.ts";

/** A pod's interface as it is to be. */
export interface PodLink {
  /** The host end's name; it becomes the OVS port's. */
  readonly hostName: string;
  /** Path of the pod's network namespace. */
  readonly netns: string;
  readonly ifName: string;
  readonly mac: string;
  readonly mtu: number;
  readonly addresses: readonly InterfaceAddress[];
  readonly routes: readonly PodRoute[];
  /** The host end's alias, see `podAlias`. */
  readonly alias: string;
  /** A userspace datapath does not finish checksums that the kernel left to a network card. */
  readonly txChecksumOff: boolean;
  /** The host's end is down, so that nothing passes, until {@link PodLinks.connect}. */
  readonly startsDown?: true;
}

/** A veth of the node's namespace, and what it says of itself. */
export interface HostEnd {
  readonly name: string;
  /** It is marked as ours. */
  readonly isOurs: boolean;
  /** It is ours and has no alias yet: the daemon was killed while it made it. */
  readonly isUnfinished: boolean;
  /** Another program has marked it as its own. */
  readonly isForeign: boolean;
  /** Whose it is, where it says so. */
  readonly mark: PodMark | undefined;
}

/** A pod's interface as it is. */
export interface ObservedInterface {
  readonly mac: string;
  readonly mtu: number;
  readonly up: boolean;
  /** `address/prefix`, without IPv6 link-local ones. */
  readonly addresses: readonly string[];
  /** Destinations of its routes, `0.0.0.0/0` and `::/0` for the default ones. */
  readonly routes: readonly string[];
  /** The default routes that are other interfaces' of the same namespace. */
  readonly defaultsOfOthers: readonly string[];
}

/** What came of {@link PodLinks.setNetem}. */
export type NetemResult = "done" | "unsupported" | "absent";

/** What the daemon does to interfaces, in the node's namespace and in pods'. Implemented over netlink, faked in tests. */
export interface PodLinks {
  /**
   * Makes the pair, the pod's end at once in its namespace with its name, MAC and MTU, and sets the host's end up, unless it starts down. A host
   * end of that name that a killed daemon left is deleted first.
   * @throws CniError 8 where the namespace does not exist.
   */
  createPair(wanted: PodLink): Promise<void>;
  /** Sets the host's end up. @throws CniError where it does not exist. */
  connect(hostName: string): Promise<void>;
  /** Inside of the pod: up, addresses, routes. */
  configure(wanted: PodLink): Promise<void>;
  /** Takes the default routes of these families away from all interfaces of the namespace but `ifName`, which is to have them. */
  removeDefaultRoutes(netns: string, ifName: string, families: readonly (4 | 6)[]): Promise<void>;
  /**
   * Makes the routes of a running pod's interface those that its annotations say; returns what was changed. Routes of others stay (the network configuration's, an administrator's): only those
   * with our mark go, or are replaced, or those of `former` that an earlier version set without it. A default route that another interface has taken stays there. Nothing where the namespace or
   * the interface does not exist.
   */
  setRoutes(
    netns: string,
    ifName: string,
    wanted: readonly PodRoute[],
    former: readonly PodRoute[],
  ): Promise<readonly string[]>;
  /**
   * Has what leaves a pod's interface delayed, dropped and so on, or no longer. `unsupported`: the kernel has no sch_netem; `absent`: the namespace or the interface does not
   * exist. A qdisc of others is replaced, and only ours is removed.
   */
  setNetem(netns: string, ifName: string, netem: Netem | undefined): Promise<NetemResult>;
  /** Tells the neighbours (gratuitous ARP, unsolicited neighbour advertisement). Best effort, never throws. */
  announce(wanted: PodLink): void;
  /** Deletes the host's end and with it the pod's; an absent one is fine. One that another program has marked stays. */
  removePair(hostName: string): Promise<void>;
  /** Whether the host's end exists. */
  exists(hostName: string): Promise<boolean>;
  /** All veth interfaces in the node's namespace. */
  hostEnds(): Promise<readonly HostEnd[]>;
  /** Marks a host end that an earlier version made; an absent one is fine. */
  mark(hostName: string, alias: string): Promise<void>;
  /** Undefined where the namespace or the interface does not exist. */
  inspect(netns: string, ifName: string): Promise<ObservedInterface | undefined>;
}
