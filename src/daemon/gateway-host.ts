import { NODE_INTERFACE } from "../api/names.ts";
import type { Ip } from "../net/address.ts";
import { listAddresses } from "../netlink/addresses.ts";
import { getLink } from "../netlink/links.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";
import { type NetlinkEvent, type Subscription, watch } from "../netlink/watch.ts";
import { applyGateway, type Repairs } from "./gateway-link.ts";
import type { GatewayPlan } from "./gateway-plan.ts";
import { type Encap, encapLink, tunnelMtu } from "./tunnel-mtu.ts";

/** The node's kernel, as the gateway uses it. */
export interface GatewayHost {
  /** Brings `ovn0` to the plan; undefined while it does not exist. */
  apply(plan: GatewayPlan, userspace: boolean): Repairs | undefined;
  /** MTU that the tunnels leave; undefined while no interface has the encap address. */
  mtu(encap: Encap): number | undefined;
  /** Whether an interface of the node has the address. */
  isLocal(ip: Ip): boolean;
  /** Calls `listener` when `ovn0`, its addresses or routes, the tunnels' interface, or an answer of `isLocal` may have changed. */
  watch(listener: () => void): void;
  close(): void;
}

/** {@link GatewayHost} over netlink. */
export class NetlinkGatewayHost implements GatewayHost {
  readonly #host: NetlinkSocket;
  #subscription: Subscription | undefined;
  #ovn0: number | undefined;
  #encap: number | undefined;
  /** Addresses that `isLocal` was asked for: a node's own, two at most. */
  readonly #asked = new Set<string>();
  #closed = false;

  /** @param host a socket of the node's namespace; it stays the caller's. */
  constructor(host: NetlinkSocket) {
    this.#host = host;
  }

  apply(plan: GatewayPlan, userspace: boolean): Repairs | undefined {
    this.#ovn0 = getLink(this.#host, NODE_INTERFACE)?.index;
    return applyGateway(this.#host, plan, userspace);
  }

  mtu(encap: Encap): number | undefined {
    const link = encapLink(this.#host, encap);
    this.#encap = link?.index;
    return link === undefined ? undefined : tunnelMtu(link.mtu, encap);
  }

  isLocal(ip: Ip): boolean {
    this.#asked.add(ip.text);
    return listAddresses(this.#host, { family: ip.family }).some(({ address }) => address === ip.text);
  }

  watch(listener: () => void): void {
    const groups = [
      "link",
      "ipv4-address",
      "ipv6-address",
      "ipv4-route",
      "ipv6-route",
      "ipv4-netconf",
      "ipv6-netconf",
    ] as const;
    this.#subscription = watch(this.#host, groups, (event) => {
      if (event.type === "failed" && !this.#closed) this.watch(listener);
      if (this.#matters(event)) listener();
    });
  }

  close(): void {
    this.#closed = true;
    this.#subscription?.close();
  }

  /** Every pod's interface makes a handful of events, which are none of ours. */
  #matters(event: NetlinkEvent): boolean {
    switch (event.type) {
      case "link":
        return event.link.name === NODE_INTERFACE || this.#isOurs(event.link.index);
      case "address":
        // An unknown encap interface is one that has yet to get its address.
        return this.#encap === undefined || this.#isOurs(event.address.index) || this.#asked.has(event.address.address);
      case "route":
        return event.route.device !== undefined && event.route.device === this.#ovn0;
      case "netconf":
        return event.netconf.where === "all" || event.netconf.where === this.#ovn0;
      case "overrun":
      case "failed":
        return true;
      default:
        return false;
    }
  }

  #isOurs(index: number): boolean {
    return index === this.#ovn0 || index === this.#encap;
  }
}
