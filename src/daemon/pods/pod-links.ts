// SPDX-License-Identifier: Apache-2.0

import type { InterfaceAddress } from "../../contract/pod.ts";
import type { Netem } from "../../contract/qos-record.ts";
import type { PodRoute } from "../cni/wanted-routes.ts";
import type { PodMark } from "./pod-mark.ts";

/** The desired state of a pod's interface. */
export interface PodLink {
  /** The host end's name, which is also the OVS port's. */
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
  /** A userspace datapath does not complete checksums that the kernel left to a network card. */
  readonly txChecksumOff: boolean;
  /** The host's end is down, so that no packets pass, until {@link PodLinks.connect}. */
  readonly startsDown?: true;
}

/** A veth of the node's namespace, and its mark. */
export interface HostEnd {
  readonly name: string;
  /** It has Weft's mark. */
  readonly isOurs: boolean;
  /** It is Weft's and has no alias yet: the daemon was killed while it created it. */
  readonly isUnfinished: boolean;
  /** Another program has marked it. */
  readonly isForeign: boolean;
  /** The pod that its alias names, if any. */
  readonly mark: PodMark | undefined;
}

/** The actual state of a pod's interface. */
export interface ObservedInterface {
  readonly mac: string;
  readonly mtu: number;
  readonly up: boolean;
  /** `address/prefix`, without IPv6 link-local ones. */
  readonly addresses: readonly string[];
  /** Destinations of its routes, `0.0.0.0/0` and `::/0` for default routes. */
  readonly routes: readonly string[];
  /** The default routes of other interfaces in the same namespace. */
  readonly defaultsOfOthers: readonly string[];
}

/** The result of {@link PodLinks.setNetem}. */
export type NetemResult = "done" | "unsupported" | "absent";

/**
 * The daemon's operations on interfaces, in the node's namespace and in pods'. Implemented over netlink, faked in
 * tests.
 */
export interface PodLinks {
  /**
   * Creates the pair, with the pod's end in its namespace with its name, MAC and MTU, and sets the host's end up, unless it starts down. A host
   * end of that name that a killed daemon left is deleted first.
   * @throws CniError 8 if the namespace does not exist.
   */
  createPair(wanted: PodLink): Promise<void>;
  /** Sets the host's end up. @throws CniError if it does not exist. */
  connect(hostName: string): Promise<void>;
  /** Inside the pod: sets the interface up, adds addresses and routes. */
  configure(wanted: PodLink): Promise<void>;
  /**
   * Removes the default routes of these families from all interfaces of the namespace except `ifName`, which gets its
   * own.
   */
  removeDefaultRoutes(netns: string, ifName: string, families: readonly (4 | 6)[]): Promise<void>;
  /**
   * Makes the routes of a running pod's interface equal to its annotations; returns the changes. Other routes stay
   * (the network configuration's, an administrator's): only marked routes, and those of `former` that an earlier
   * version set without a mark, are removed or replaced. A default route that another interface has replaced stays
   * there. Does nothing if the namespace or the interface does not exist.
   */
  setRoutes(
    netns: string,
    ifName: string,
    wanted: readonly PodRoute[],
    former: readonly PodRoute[],
  ): Promise<readonly string[]>;
  /**
   * Sets or removes the netem of a pod's interface, which delays, drops and so on the packets that leave it.
   * `unsupported`: the kernel has no sch_netem; `absent`: the namespace or the interface does not exist. Another
   * program's qdisc is replaced, but only Weft's is removed.
   */
  setNetem(netns: string, ifName: string, netem: Netem | undefined): Promise<NetemResult>;
  /**
   * Announces the addresses to the neighbours (gratuitous ARP, unsolicited neighbour advertisement). Best effort,
   * never throws.
   */
  announce(wanted: PodLink): void;
  /**
   * Deletes the host's end and with it the pod's; an absent one is not an error. One that another program has marked
   * stays.
   */
  removePair(hostName: string): Promise<void>;
  /** Whether the host's end exists. */
  exists(hostName: string): Promise<boolean>;
  /** All veth interfaces in the node's namespace. */
  hostEnds(): Promise<readonly HostEnd[]>;
  /** Marks a host end that an earlier version created; an absent one is not an error. */
  mark(hostName: string, alias: string): Promise<void>;
  /** Undefined if the namespace or the interface does not exist. */
  inspect(netns: string, ifName: string): Promise<ObservedInterface | undefined>;
}
