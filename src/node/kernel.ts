// SPDX-License-Identifier: Apache-2.0

import type { Address, AddressKey, AddressSpec } from "../netlink/addresses.ts";
import { deleteAddress, ensureAddress, listAddresses } from "../netlink/addresses.ts";
import { getTxChecksum, setTxChecksum } from "../netlink/ethtool.ts";
import {
  createLink,
  deleteLink,
  getLink,
  type Link,
  type LinkChange,
  type LinkSpec,
  listLinks,
  setLink,
} from "../netlink/links.ts";
import {
  deleteNeighbour,
  ensureNeighbour,
  listNeighbours,
  type Neighbour,
  type NeighbourKey,
  type NeighbourSpec,
} from "../netlink/neighbours.ts";
import {
  addRoute,
  deleteRoute,
  ensureRoute,
  listRoutes,
  type Route,
  type RouteFilter,
  type RouteSpec,
} from "../netlink/routes.ts";
import { addRule, deleteRule, listRules, type Rule, type RuleSpec } from "../netlink/rules.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";
import { readSysctl, writeSysctl } from "../netlink/sysctl.ts";
import { deleteQdisc, ensureQdisc, listQdiscs, type Qdisc, type QdiscSpec, type TcHandle } from "../netlink/tc.ts";
import { type NetlinkEvent, type Subscription, watch } from "../netlink/watch.ts";
import { inOwnNetns, type Netns } from "../netlink/with-netns.ts";

/**
 * The kernel of a node, as the drivers use it: functions of netlink, ethtool and /proc/sys/net, all synchronous.
 * Errors are `NetlinkError`s of `src/netlink`.
 */
export interface NodeKernel {
  links(): readonly Link[];
  link(name: string): Link | undefined;
  createLink(spec: LinkSpec): void;
  setLink(index: number, change: LinkChange): void;
  deleteLink(index: number): boolean;
  checksum(link: string): boolean;
  setChecksum(link: string, on: boolean): void;
  addresses(filter?: { readonly index?: number; readonly family?: 4 | 6 }): readonly Address[];
  /** Adds it, or renews an existing one. */
  setAddress(spec: AddressSpec): void;
  deleteAddress(key: AddressKey): boolean;
  routes(filter: RouteFilter): readonly Route[];
  /** Throws `exists` if there is one with its destination, table and metric. */
  addRoute(spec: RouteSpec): void;
  /** Replaces the one with its destination, table and metric. */
  setRoute(spec: RouteSpec): void;
  /** Deletes the first route that matches all fields of the key. */
  deleteRoute(key: RouteSpec): boolean;
  /** Of one interface. */
  neighbours(index: number): readonly Neighbour[];
  setNeighbour(spec: NeighbourSpec): void;
  deleteNeighbour(key: NeighbourKey): boolean;
  rules(): readonly Rule[];
  /** Throws `exists` if an identical rule exists. */
  addRule(spec: RuleSpec): void;
  deleteRule(spec: RuleSpec): boolean;
  /** Of all interfaces. */
  qdiscs(): readonly Qdisc[];
  setQdisc(spec: QdiscSpec): void;
  deleteQdisc(index: number, parent: TcHandle): boolean;
  /** Undefined if the kernel has no such key. */
  sysctl(key: readonly string[]): string | undefined;
  setSysctl(key: readonly string[], value: string): void;
  /**
   * Calls `listener` with changes, also with those of the caller. After a failure the watch is started again, and the
   * listener is notified.
   */
  watch(listener: (event: NetlinkEvent) => void): { close(): void };
}

const GROUPS = [
  "link",
  "ipv4-address",
  "ipv6-address",
  "ipv4-route",
  "ipv6-route",
  "ipv4-netconf",
  "ipv6-netconf",
  "ipv4-rule",
  "ipv6-rule",
  "qdisc",
] as const;

/** {@link NodeKernel} over netlink. */
export class NetlinkKernel implements NodeKernel {
  readonly #host: NetlinkSocket;
  readonly #inNode: (work: (ns: Netns) => void) => void;

  /** @param host a socket of the node's namespace; the caller closes it. */
  constructor(host: NetlinkSocket, inNode: (work: (ns: Netns) => void) => void = inOwnNetns) {
    this.#host = host;
    this.#inNode = inNode;
  }

  links = (): readonly Link[] => listLinks(this.#host);
  link = (name: string): Link | undefined => getLink(this.#host, name);
  createLink = (spec: LinkSpec): void => void createLink(this.#host, spec);
  setLink = (index: number, change: LinkChange): void => setLink(this.#host, index, change);
  deleteLink = (index: number): boolean => deleteLink(this.#host, index);
  checksum = (link: string): boolean => this.#inside((ns) => getTxChecksum(ns, link));
  setChecksum = (link: string, on: boolean): void => this.#inside((ns) => setTxChecksum(ns, link, on));
  addresses = (filter = {}): readonly Address[] => listAddresses(this.#host, filter);
  setAddress = (spec: AddressSpec): void => ensureAddress(this.#host, spec);
  deleteAddress = (key: AddressKey): boolean => deleteAddress(this.#host, key);
  routes = (filter: RouteFilter): readonly Route[] => listRoutes(this.#host, filter);
  addRoute = (spec: RouteSpec): void => addRoute(this.#host, spec);
  setRoute = (spec: RouteSpec): void => ensureRoute(this.#host, spec);
  deleteRoute = (key: RouteSpec): boolean => deleteRoute(this.#host, key);
  neighbours = (index: number): readonly Neighbour[] => listNeighbours(this.#host, { index });
  setNeighbour = (spec: NeighbourSpec): void => ensureNeighbour(this.#host, spec);
  deleteNeighbour = (key: NeighbourKey): boolean => deleteNeighbour(this.#host, key);
  rules = (): readonly Rule[] => listRules(this.#host);
  addRule = (spec: RuleSpec): void => addRule(this.#host, spec);
  deleteRule = (spec: RuleSpec): boolean => deleteRule(this.#host, spec);
  qdiscs = (): readonly Qdisc[] => listQdiscs(this.#host);
  setQdisc = (spec: QdiscSpec): void => ensureQdisc(this.#host, spec);
  deleteQdisc = (index: number, parent: TcHandle): boolean => deleteQdisc(this.#host, index, parent);
  sysctl = (key: readonly string[]): string | undefined => this.#inside((ns) => readSysctl(ns, key));
  setSysctl = (key: readonly string[], value: string): void => this.#inside((ns) => writeSysctl(ns, key, value));

  watch(listener: (event: NetlinkEvent) => void): { close(): void } {
    let subscription: Subscription | undefined;
    let closed = false;
    const begin = (): void => {
      subscription = watch(this.#host, GROUPS, (event) => {
        if (closed) return;
        if (event.type === "failed") begin();
        listener(event);
      });
    };
    begin();
    return {
      close() {
        closed = true;
        subscription?.close();
      },
    };
  }

  #inside<R>(work: (ns: Netns) => R): R {
    let result: { readonly value: R } | undefined;
    this.#inNode((ns) => {
      result = { value: work(ns) };
    });
    if (result === undefined) throw new Error("the node's namespace was not entered");
    return result.value;
  }
}
