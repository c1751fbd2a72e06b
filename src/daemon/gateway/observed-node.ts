// SPDX-License-Identifier: Apache-2.0

import type { Ip } from "../../net/address.ts";
import type { NetlinkEvent } from "../../netlink/watch.ts";
import type { NodeKernel } from "../../node/kernel.ts";
import { type Encap, encapLink, tunnelMtu } from "./tunnel-mtu.ts";

/** What the node's plan depends on of what is there and not ours: the interface of the tunnels, and whose the node's addresses are. */
export class ObservedNode {
  readonly #kernel: Pick<NodeKernel, "addresses" | "links">;
  #encap: number | undefined;
  /** Addresses that `isLocal` was asked for: a node's own, two at most. */
  readonly #asked = new Set<string>();

  constructor(kernel: Pick<NodeKernel, "addresses" | "links">) {
    this.#kernel = kernel;
  }

  /** MTU that the tunnels leave; undefined while no interface has the encap address. */
  mtu(encap: Encap): number | undefined {
    const link = encapLink(this.#kernel, encap);
    this.#encap = link?.index;
    return link === undefined ? undefined : tunnelMtu(link.mtu, encap);
  }

  /** Whether an interface of the node has the address. */
  isLocal(ip: Ip): boolean {
    this.#asked.add(ip.text);
    return this.#kernel.addresses({ family: ip.family }).some(({ address }) => address === ip.text);
  }

  /** Whether an answer may be another one after the event. */
  concerns(event: NetlinkEvent): boolean {
    switch (event.type) {
      case "link":
        return event.link.index === this.#encap;
      case "address":
        // An unknown encap interface is one that has yet to get its address.
        return (
          this.#encap === undefined || event.address.index === this.#encap || this.#asked.has(event.address.address)
        );
      default:
        return false;
    }
  }
}
