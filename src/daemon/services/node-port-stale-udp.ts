// SPDX-License-Identifier: Apache-2.0

import type { Ip } from "../../net/address.ts";
import type { LocalEndpoint, ServiceRulesInput } from "./service-rules.ts";

/**
 * Deletes conntrack entries of UDP flows to endpoints that the rules no longer contain. A flow keeps its endpoint
 * while its client sends, even if the endpoint is gone; TCP clients detect that themselves. OVN deletes flows that it
 * has balanced (`ct_flush`).
 */
export class NodePortStaleUdp {
  readonly #forget: (ip: Ip, port: number) => number;
  #known: ReadonlyMap<string, LocalEndpoint> = new Map();

  /** @param forget deletes the kernel's conntrack entries for an endpoint. */
  constructor(forget: (ip: Ip, port: number) => number) {
    this.#forget = forget;
  }

  /** Call it after the rules of `services` are applied. @throws NetlinkError; the call may be repeated. */
  applied(services: Pick<ServiceRulesInput, "endpoints" | "everywhere"> | undefined): void {
    const all = services && [...services.endpoints.values(), ...services.everywhere.values()];
    const udp = (all ?? []).flat().filter(({ protocol }) => protocol === "udp");
    const now = new Map(udp.map((endpoint) => [`${endpoint.ip.text} ${endpoint.number}`, endpoint]));
    for (const [key, { ip, number }] of this.#known) if (!now.has(key)) this.#forget(ip, number);
    this.#known = now;
  }
}
