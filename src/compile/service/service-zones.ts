// SPDX-License-Identifier: Apache-2.0

import { zonalName } from "../../api/names.ts";
import type { EndpointSliceFact, ServiceFact, ServicePortFact } from "../../facts/service.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { addLoadBalancer } from "./load-balancer.ts";
import { targetsOf, usableInZone } from "./service-endpoints.ts";
import { templateVip, zoneVariable } from "./template-variables.ts";

/** Addresses of one family of a Service, for one protocol. */
export interface ZonalAddresses {
  readonly service: ServiceFact;
  readonly vpc: string;
  readonly protocol: ServicePortFact["protocol"];
  readonly v6: boolean;
  readonly addresses: readonly string[];
}

/**
 * The addresses of a Service whose endpoints have zone hints (`trafficDistribution`): one load balancer for each zone that has nodes. Its addresses
 * contain the zone's variable, so only nodes of the zone have flows for it. There are as many rows as zones, and another node adds none.
 */
export function addZonal(
  build: FragmentBuilder,
  { service, vpc, protocol, v6, addresses }: ZonalAddresses,
  slices: readonly EndpointSliceFact[],
  zones: readonly string[],
): void {
  const ports = service.ports
    .filter((port) => port.protocol === protocol)
    .map((port) => ({ port: port.port, targets: targetsOf(port, v6, slices) }));
  for (const zone of zones) {
    const vips = ports.flatMap(({ port, targets }) => {
      const chosen = usableInZone(targets, zone)
        .map(({ text }) => text)
        .join(",");
      return addresses.map((address) => [templateVip(address, port, zoneVariable(zone)), chosen] as const);
    });
    addLoadBalancer(build, service, vpc, {
      name: zonalName(service.key, protocol, v6, zone),
      protocol,
      vips: Object.fromEntries(vips),
      template: v6 ? 6 : 4,
    });
  }
}
