// SPDX-License-Identifier: Apache-2.0

import { NODE_INTERFACE } from "../../api/names.ts";
import type { Ip } from "../../net/address.ts";
import { cidrContains, parseCidr } from "../../net/cidr.ts";
import { ROUTE_TABLE_MAIN, type Route } from "../../netlink/routes.ts";
import type { NetlinkEvent } from "../../netlink/watch.ts";
import type { NodeKernel } from "../../node/kernel.ts";
import { type Encap, encapLink, tunnelMtu } from "./tunnel-mtu.ts";

/** An interface that tunnels may use. */
export interface TunnelLink {
  readonly name: string;
  readonly mtu: number;
}

/**
 * The inputs of the node's plan that are not Weft's: the tunnel interface, and the interfaces that have the node's
 * addresses.
 */
export class ObservedNode {
  readonly #kernel: Pick<NodeKernel, "addresses" | "links" | "routes">;
  #encap: number | undefined;
  /** Interfaces of additional tunnel addresses that the present answers depend on. */
  readonly #links = new Set<number>();
  /** Addresses and interfaces that were queried for additional tunnel addresses; `start` clears them. */
  readonly #ends = new Set<string>();
  /** Addresses that `isLocal` was called with: a node's own, two at most. */
  readonly #asked = new Set<string>();

  /** Next hops that `linkTo` was called with. */
  readonly #hops = new Map<string, Ip>();
  /** The interfaces that were found for these next hops. */
  readonly #uplinks = new Set<number>();

  constructor(kernel: Pick<NodeKernel, "addresses" | "links" | "routes">) {
    this.#kernel = kernel;
  }

  /** MTU that the tunnels allow; undefined while no interface has the encap address. */
  mtu(encap: Encap): number | undefined {
    const link = encapLink(this.#kernel, encap);
    this.#encap = link?.index;
    return link === undefined ? undefined : tunnelMtu(link.mtu, encap);
  }

  /** Clears the queried additional tunnel addresses: the next pass queries its own. */
  start(): void {
    this.#links.clear();
    this.#ends.clear();
  }

  /** The interface that has an address; undefined while none has. */
  linkOf(ip: string): TunnelLink | undefined {
    this.#ends.add(ip);
    const index = this.#kernel.addresses().find(({ address }) => address === ip)?.index;
    const link = this.#kernel.links().find((candidate) => candidate.index === index);
    if (link !== undefined) this.#links.add(link.index);
    return link && { name: link.name, mtu: link.mtu };
  }

  /** The addresses of an interface, in the kernel's order; undefined if the interface does not exist. */
  addressesOf(name: string): readonly string[] | undefined {
    this.#ends.add(name);
    const link = this.#kernel.links().find((candidate) => candidate.name === name);
    if (link === undefined) return undefined;
    this.#links.add(link.index);
    return this.#kernel.addresses({ index: link.index }).map(({ address }) => address);
  }

  /** Whether an interface of the node has the address. */
  isLocal(ip: Ip): boolean {
    this.#asked.add(ip.text);
    return this.#kernel.addresses({ family: ip.family }).some(({ address }) => address === ip.text);
  }

  /** Clears the next hops of `linkTo` before a new plan is made. */
  forgetHops(): void {
    this.#hops.clear();
    this.#uplinks.clear();
  }

  /**
   * The interface whose link the address is on, by the main table's routes without a gateway; undefined if there is
   * none, or if it is `ovn0`. (The kernel refuses a route by a gateway that is not on the link.)
   */
  linkTo(ip: Ip): string | undefined {
    this.#hops.set(ip.text, ip);
    const [best] = this.#kernel
      .routes({ family: ip.family, table: ROUTE_TABLE_MAIN })
      .flatMap((route) => {
        const cidr = isOnLink(route, ip) ? parseCidr(route.destination) : undefined;
        return cidr === undefined ? [] : [{ prefix: cidr.prefix, device: route.device }];
      })
      .toSorted((a, b) => b.prefix - a.prefix);
    const link = best && this.#kernel.links().find(({ index }) => index === best.device);
    if (link === undefined || !link.up || link.name === NODE_INTERFACE) return undefined;
    this.#uplinks.add(link.index);
    return link.name;
  }

  /** Whether an answer may have changed by the event. */
  concerns(event: NetlinkEvent): boolean {
    switch (event.type) {
      case "link":
        return (
          event.link.index === this.#encap ||
          this.#uplinks.has(event.link.index) ||
          this.#links.has(event.link.index) ||
          this.#ends.has(event.link.name)
        );
      case "route":
        return [...this.#hops.values()].some((hop) => isOnLink(event.route, hop));
      case "address":
        // An unknown encap interface is one that does not have its address yet.
        return (
          this.#encap === undefined ||
          event.address.index === this.#encap ||
          this.#links.has(event.address.index) ||
          this.#asked.has(event.address.address) ||
          this.#ends.has(event.address.address)
        );
      default:
        return false;
    }
  }
}

/** Whether the route shows that the address is on a link. */
function isOnLink({ destination, gateway, device, nextHops, table, type }: Route, ip: Ip): boolean {
  if (gateway !== undefined || device === undefined || nextHops.length > 0) return false;
  if (table !== ROUTE_TABLE_MAIN || type !== "unicast") return false;
  const cidr = parseCidr(destination);
  return cidr !== undefined && cidrContains(cidr, ip);
}
