// SPDX-License-Identifier: Apache-2.0

import { Gauge, type Registry } from "prom-client";
import type { FactStore } from "../facts/store.ts";
import type { Ipam } from "../ipam/ipam.ts";

/** The sources of {@link addressMetrics}. */
export interface AddressSources {
  readonly facts: FactStore;
  readonly ipam: Ipam;
}

const FAMILIES = [
  ["v4", "IPv4"],
  ["v6", "IPv6"],
] as const;

/** Registers the free and used addresses of each subnet and IPPool, and the gateway nodes of centralized subnets. */
export function addressMetrics(registry: Registry, { facts, ipam }: AddressSources): void {
  const registers = [registry];
  const perSubnet = (name: string, help: string, field: "available" | "using"): void => {
    new Gauge({
      name,
      help,
      labelNames: ["subnet_name", "protocol", "subnet_cidr"],
      registers,
      collect() {
        this.reset();
        for (const { name: subnet, cidr } of facts.all("subnets")) {
          const counts = ipam.counts(subnet);
          for (const [family, protocol] of FAMILIES) {
            const count = counts[family]?.[field];
            if (count !== undefined)
              this.set({ subnet_name: subnet, protocol, subnet_cidr: cidr[family] ?? "" }, Number(count));
          }
        }
      },
    });
  };
  perSubnet("subnet_available_ip_count", "Free addresses of the subnet", "available");
  perSubnet("subnet_used_ip_count", "Addresses of the subnet in use", "using");

  const perPool = (name: string, help: string, field: "available" | "using"): void => {
    new Gauge({
      name,
      help,
      labelNames: ["ippool", "subnet_name", "protocol"],
      registers,
      collect() {
        this.reset();
        for (const { name: pool, subnet } of facts.all("ipPools")) {
          const counts = ipam.counts(subnet, pool);
          for (const [family, protocol] of FAMILIES) {
            const count = counts[family]?.[field];
            if (count !== undefined) this.set({ ippool: pool, subnet_name: subnet, protocol }, Number(count));
          }
        }
      },
    });
  };
  perPool("weft_ippool_available_ip_count", "Free addresses of the IPPool", "available");
  perPool("weft_ippool_used_ip_count", "Addresses of the IPPool in use", "using");

  new Gauge({
    name: "weft_subnet_gateway_nodes",
    help: "Gateway nodes of each centralized subnet, by whether traffic can leave by them now",
    labelNames: ["subnet_name", "ready"],
    registers,
    collect() {
      this.reset();
      for (const { key, nodes } of facts.all("subnetGateways")) {
        const ready = nodes.filter(({ problem }) => problem === undefined).length;
        this.set({ subnet_name: key, ready: "true" }, ready);
        this.set({ subnet_name: key, ready: "false" }, nodes.length - ready);
      }
    },
  });
}
