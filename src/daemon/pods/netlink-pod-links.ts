// SPDX-License-Identifier: Apache-2.0

import { CNI_ERROR } from "../../api/cni-message.ts";
import type { Netem } from "../../contract/qos-record.ts";
import { ensureAddress, listAddresses } from "../../netlink/addresses.ts";
import { announce } from "../../netlink/announce.ts";
import { NetlinkError } from "../../netlink/error.ts";
import { setTxChecksum } from "../../netlink/ethtool.ts";
import {
  createVeth,
  deleteLink,
  deleteLinkAsync,
  getLink,
  type Link,
  listLinks,
  setLink,
  type VethSpec,
} from "../../netlink/links.ts";
import { netnsIdentity } from "../../netlink/netns.ts";
import { deleteRoute, ensureRoute, listRoutes, ROUTE_TABLE_MAIN, type Route } from "../../netlink/routes.ts";
import type { NetlinkSocket } from "../../netlink/socket.ts";
import { writeSysctl } from "../../netlink/sysctl.ts";
import { inOwnNetns, type Netns, withNetns } from "../../netlink/with-netns.ts";
import { isHostLinkName } from "../../node/link-names.ts";
import { LINK_GROUP, POD_LINK_ALIAS, PROTOCOL } from "../../node/marks.ts";
import { CniError } from "../cni/cni-error.ts";
import type { PodRoute } from "../cni/wanted-routes.ts";
import type { HostEnd, NetemResult, ObservedInterface, PodLink, PodLinks } from "./pod-links.ts";
import { readPodAlias } from "./pod-mark.ts";
import { setNetem } from "./pod-netem.ts";

/** {@link PodLinks} over netlink. Each call makes a few system calls, so all of them run synchronously. */
export class NetlinkPodLinks implements PodLinks {
  readonly #host: NetlinkSocket;

  /** @param host a socket of the node's namespace; the caller closes it. */
  constructor(host: NetlinkSocket) {
    this.#host = host;
  }

  async createPair(wanted: PodLink): Promise<void> {
    const spec: VethSpec = {
      name: wanted.hostName,
      mtu: wanted.mtu,
      // The kernel sets this mark when it creates the link; the alias is set afterwards.
      group: LINK_GROUP,
      peer: { name: wanted.ifName, mac: wanted.mac, mtu: wanted.mtu, netns: wanted.netns },
    };
    const { link } = this.#create(wanted, spec);
    inOwnNetns((ns) => {
      // The pod would receive the packets of the host's own IPv6 on this end (RS, MLD, DAD).
      ignoreMissing(() => writeSysctl(ns, ["ipv6", "conf", wanted.hostName, "disable_ipv6"], 1));
      if (wanted.txChecksumOff) setTxChecksum(ns, wanted.hostName, false);
    });
    setLink(this.#host, link.index, { ...(wanted.startsDown !== true && { up: true }), alias: wanted.alias });
  }

  async connect(hostName: string): Promise<void> {
    const link = getLink(this.#host, hostName);
    if (link === undefined) throw new CniError(CNI_ERROR.internal, `interface ${hostName} was removed meanwhile`);
    setLink(this.#host, link.index, { up: true });
  }

  #create(wanted: PodLink, spec: VethSpec): ReturnType<typeof createVeth> {
    if (netnsIdentity(wanted.netns) === inOwnNetns((ns) => ns.identity)) {
      throw new CniError(CNI_ERROR.invalidNetns, `${wanted.netns} is the node's own network namespace, not a pod's`);
    }
    try {
      return createVeth(this.#host, spec);
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      if (error.code === "no-netns") throw noNetns(wanted.netns, error);
      if (error.code !== "exists") throw error;
      // Either this daemon was killed after creating the pair, or the pod already has an interface of that name.
      const link = getLink(this.#host, wanted.hostName);
      if (link !== undefined && isForeign(link)) throw foreign(link, error);
      if (link !== undefined && deleteLink(this.#host, link.index)) return createVeth(this.#host, spec);
      throw new CniError(CNI_ERROR.internal, `${wanted.netns} already has an interface ${wanted.ifName}`, {
        cause: error,
      });
    }
  }

  async configure(wanted: PodLink): Promise<void> {
    inNetns(wanted.netns, (ns) => configureInside(ns, wanted));
  }

  async removeDefaultRoutes(netns: string, ifName: string, families: readonly (4 | 6)[]): Promise<void> {
    inNetns(netns, (ns) => {
      const own = getLink(ns.netlink, ifName)?.index;
      for (const { destination, device, metric } of defaultRoutes(ns)) {
        const family = destination.includes(":") ? 6 : 4;
        if (!families.includes(family) || device === undefined || device === own) continue;
        deleteRoute(ns.netlink, { destination, device, metric });
      }
    });
  }

  async setRoutes(
    netns: string,
    ifName: string,
    wanted: readonly PodRoute[],
    former: readonly PodRoute[],
  ): Promise<readonly string[]> {
    try {
      return withNetns(netns, (ns) => correctRoutes(ns, ifName, wanted, former));
    } catch (error) {
      if (error instanceof NetlinkError && error.code === "no-netns") return [];
      throw error;
    }
  }

  async setNetem(netns: string, ifName: string, netem: Netem | undefined): Promise<NetemResult> {
    return setNetem(netns, ifName, netem);
  }

  announce(wanted: PodLink): void {
    // After the response: nothing waits for it.
    setImmediate(() => sendAnnouncement(wanted));
  }

  async removePair(hostName: string): Promise<void> {
    const link = getLink(this.#host, hostName);
    // The kernel waits for about 20 ms in this call, which must not delay other pods' requests.
    if (link !== undefined && !isForeign(link)) await deleteLinkAsync(this.#host, link.index);
  }

  async exists(hostName: string): Promise<boolean> {
    return getLink(this.#host, hostName) !== undefined;
  }

  async hostEnds(): Promise<readonly HostEnd[]> {
    return listLinks(this.#host)
      .filter(({ kind }) => kind === "veth")
      .map((link) => ({
        name: link.name,
        isOurs: isMarked(link),
        isUnfinished: link.alias === undefined && isMarked(link),
        isForeign: isForeign(link),
        mark: link.alias === undefined ? undefined : readPodAlias(link.alias),
      }));
  }

  async mark(hostName: string, alias: string): Promise<void> {
    const link = getLink(this.#host, hostName);
    if (link !== undefined && !isForeign(link)) setLink(this.#host, link.index, { alias, group: LINK_GROUP });
  }

  async inspect(netns: string, ifName: string): Promise<ObservedInterface | undefined> {
    try {
      return withNetns(netns, (ns) => observe(ns, ifName));
    } catch (error) {
      if (error instanceof NetlinkError && error.code === "no-netns") return undefined;
      throw error;
    }
  }
}

/** The link is marked, or this daemon was killed before it set the alias. */
function isMarked({ alias, group, name }: Link): boolean {
  return alias === undefined ? group === LINK_GROUP && isHostLinkName(name) : alias.startsWith(POD_LINK_ALIAS);
}

/** The link is of another kind, or has another program's alias. */
function isForeign({ alias, kind }: Link): boolean {
  return kind !== "veth" || (alias !== undefined && !alias.startsWith(POD_LINK_ALIAS));
}

function foreign({ name, alias }: Link, cause: unknown): CniError {
  return new CniError(
    CNI_ERROR.internal,
    `interface ${name} of this node belongs to another program (${alias ?? "not a veth"})`,
    {
      cause,
    },
  );
}

function configureInside(ns: Netns, wanted: PodLink): void {
  const link = getLink(ns.netlink, wanted.ifName);
  if (link === undefined)
    throw new CniError(CNI_ERROR.internal, `${wanted.ifName} was removed from ${wanted.netns} meanwhile`);
  const families = new Set(wanted.addresses.map(({ ip }) => ip.family));
  if (families.has(6)) {
    // Some runtimes create namespaces with IPv6 disabled (containernetworking/cni issue 531).
    for (const name of ["lo", wanted.ifName]) {
      ignoreMissing(() => writeSysctl(ns, ["ipv6", "conf", name, "disable_ipv6"], 0));
    }
  }
  // The daemon configures everything that the pod needs. Any neighbour can send an advertisement, OVN lets neighbour
  // discovery through before any rule, and the kernel prefers a router of high preference to the route below (RFC
  // 4191): one packet would redirect the pod's IPv6 traffic (cf. CVE-2020-10749).
  ignoreMissing(() => writeSysctl(ns, ["ipv6", "conf", wanted.ifName, "accept_ra"], 0));
  if (wanted.txChecksumOff) setTxChecksum(ns, wanted.ifName, false);
  setLink(ns.netlink, link.index, { up: true });
  for (const { ip, cidr } of wanted.addresses) {
    // The controller allocates an address once; duplicate address detection would delay the pod by a second.
    ensureAddress(ns.netlink, { index: link.index, address: ip.text, prefix: cidr.prefix, noDad: true });
  }
  for (const { destination, gateway, onlink, isConfigured } of wanted.routes) {
    ensureRoute(ns.netlink, {
      destination: destination.text,
      gateway: gateway.text,
      device: link.index,
      onlink,
      ...(isConfigured !== true && { protocol: PROTOCOL }),
    });
  }
}

function correctRoutes(
  ns: Netns,
  ifName: string,
  wanted: readonly PodRoute[],
  former: readonly PodRoute[],
): readonly string[] {
  const link = getLink(ns.netlink, ifName);
  if (link === undefined) return [];
  const changes: string[] = [];
  const all = listRoutes(ns.netlink, { table: ROUTE_TABLE_MAIN }).filter(({ type }) => type === "unicast");
  for (const { destination, gateway, onlink } of wanted) {
    const present = all.filter((route) => route.destination === destination.text);
    if (present.some((route) => route.device === link.index && route.gateway === gateway.text)) continue;
    const isOurs = (route: Route): boolean =>
      route.device === link.index &&
      (route.protocol === PROTOCOL ||
        former.some((old) => old.destination.text === destination.text && old.gateway.text === route.gateway));
    if (!present.every(isOurs)) continue;
    const route = { destination: destination.text, gateway: gateway.text, device: link.index, onlink };
    ensureRoute(ns.netlink, { ...route, protocol: PROTOCOL });
    changes.push(`${destination.text} via ${gateway.text}`);
  }
  for (const { destination, device, protocol, metric } of all) {
    if (device !== link.index || protocol !== PROTOCOL) continue;
    if (wanted.some((route) => route.destination.text === destination)) continue;
    deleteRoute(ns.netlink, { destination, device, metric, protocol });
    changes.push(`${destination} removed`);
  }
  return changes;
}

function sendAnnouncement(wanted: PodLink): void {
  try {
    withNetns(wanted.netns, (ns) => {
      const link = getLink(ns.netlink, wanted.ifName);
      const addresses = wanted.addresses.map(({ ip }) => ip.text);
      if (link !== undefined) announce(ns, { index: link.index, mac: wanted.mac }, addresses);
    });
  } catch {
    // Optional: OVN itself replies to ARP and ND for its ports.
  }
}

function observe(ns: Netns, ifName: string): ObservedInterface | undefined {
  const link = getLink(ns.netlink, ifName);
  if (link === undefined) return undefined;
  return {
    mac: link.mac ?? "",
    mtu: link.mtu,
    up: link.up,
    addresses: listAddresses(ns.netlink, { index: link.index })
      .filter(({ family, scope }) => family === 4 || scope !== "link")
      .map(({ address, prefix }) => `${address}/${prefix}`),
    routes: listRoutes(ns.netlink, { device: link.index }).map(({ destination }) => destination),
    defaultsOfOthers: defaultRoutes(ns)
      .filter(({ device }) => device !== link.index)
      .map(({ destination }) => destination),
  };
}

/** The default routes of a namespace in the main table. */
function defaultRoutes(ns: Netns): readonly Route[] {
  return listRoutes(ns.netlink, { table: ROUTE_TABLE_MAIN }).filter(
    ({ destination, type }) => type === "unicast" && (destination === "0.0.0.0/0" || destination === "::/0"),
  );
}

function inNetns(path: string, work: (ns: Netns) => void): void {
  try {
    withNetns(path, work);
  } catch (error) {
    if (error instanceof NetlinkError && error.code === "no-netns") throw noNetns(path, error);
    throw error;
  }
}

function noNetns(path: string, cause: unknown): CniError {
  return new CniError(CNI_ERROR.invalidNetns, `network namespace ${path} does not exist`, {
    details:
      "the sandbox was removed, or weft-daemon's container does not see it: /run/netns must be mounted with HostToContainer",
    cause,
  });
}

/** A kernel without IPv6 does not have these sysctls. */
function ignoreMissing(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === "not-found")) throw error;
  }
}
