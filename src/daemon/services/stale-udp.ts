// SPDX-License-Identifier: Apache-2.0

import type { Ip } from "../../net/address.ts";
import type { LocalEndpoint, ServiceRulesInput } from "./service-rules.ts";

/**
 * Flows of UDP to endpoints that the rules no longer name. A flow keeps its endpoint as long as its client speaks, also one that is gone (TCP's clients notice
 * that by themselves). Flows to what OVN balances are OVN's (`ct_flush`).
 */
export class StaleUdp {
  readonly #forget: (ip: Ip, port: number) => number;
  #known: ReadonlyMap<string, LocalEndpoint> = new Map();

  /** @param forget makes the kernel forget the flows to an endpoint. */
  constructor(forget: (ip: Ip, port: number) => number) {
    this.#forget = forget;
  }

  /** To be called when the rules are those of `services`. @throws NetlinkError; the call may be repeated. */
  applied(services: Pick<ServiceRulesInput, "endpoints"> | undefined): void {
    const udp = [...(services?.endpoints.values() ?? [])].flat().filter(({ protocol }) => protocol === "udp");
    const now = new Map(udp.map((endpoint) => [`${endpoint.ip.text} ${endpoint.number}`, endpoint]));
    for (const [key, { ip, number }] of this.#known) if (!now.has(key)) this.#forget(ip, number);
    this.#known = now;
  }
}
