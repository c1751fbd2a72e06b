// SPDX-License-Identifier: Apache-2.0

import { EngineError } from "./error.ts";
import type { ContainerAddress, NetworkRange } from "./host.ts";

/** The IPv4 subnets of networks: private, and none of the lab's. */
const FIRST_SUBNET = 32;
const LAST_SUBNET = 63;
/** Addresses of a network that are given to containers; the first is the gateway's. */
const FIRST_HOST = 2;
const LAST_HOST = 254;

/** The addresses of one network: an IPv4 /16, and the IPv6 /64 that its client chose, if any. Addresses are given in order, and again once released. */
export class AddressPool {
  readonly subnets: readonly NetworkRange[];
  readonly #v4: string;
  readonly #v6: string | undefined;
  readonly #taken = new Set<number>();

  /** `index`: which of the IPv4 subnets. Throws EngineError if there are no more, or if `v6` is not a /64 that ends with `::`. */
  constructor(index: number, v6: string | undefined) {
    if (FIRST_SUBNET + index > LAST_SUBNET) throw new EngineError("conflict", "all IPv4 address pools have been used");
    if (v6 !== undefined && !v6.endsWith("::/64"))
      throw new EngineError(
        "not-supported",
        `the IPv6 subnet of a network must be a /64 such as fc00:1::/64, not ${v6}`,
      );
    this.#v4 = `172.${FIRST_SUBNET + index}.0.`;
    this.#v6 = v6?.slice(0, -"/64".length);
    this.subnets = [
      { cidr: `${this.#v4}0/16`, gateway: `${this.#v4}1` },
      ...(this.#v6 === undefined ? [] : [{ cidr: `${this.#v6}/64`, gateway: `${this.#v6}1` }]),
    ];
  }

  /** The next free addresses, with the MAC address that Docker derives from them. Throws EngineError `conflict` if none is free. */
  take(): { readonly mac: string; readonly v4: ContainerAddress; readonly v6?: ContainerAddress } {
    for (let host = FIRST_HOST; host <= LAST_HOST; host++) {
      if (this.#taken.has(host)) continue;
      this.#taken.add(host);
      const v4 = `${this.#v4}${host}`;
      return {
        mac: ["02", "42", ...v4.split(".").map((part) => Number(part).toString(16).padStart(2, "0"))].join(":"),
        v4: { ip: v4, prefix: 16 },
        ...(this.#v6 !== undefined && { v6: { ip: `${this.#v6}${host.toString(16)}`, prefix: 64 } }),
      };
    }
    throw new EngineError("conflict", `no address of ${this.#v4}0/16 is free`);
  }

  release(v4: string): void {
    this.#taken.delete(Number(v4.slice(this.#v4.length)));
  }
}
