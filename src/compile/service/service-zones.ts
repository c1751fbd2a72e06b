// SPDX-License-Identifier: Apache-2.0

import { otherNodesName, zonalName } from "../../api/names.ts";
import { type EndpointSliceFact, type ServiceFact, type ServicePortFact, servicePortKey } from "../../facts/service.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { isByNode, targetsOf, usable, usableInZone } from "./endpoint-choice.ts";
import { addLoadBalancer } from "./load-balancer.ts";
import { portVariable, templateVip, zoneVariable } from "./template-variables.ts";

/** Addresses of one family of a Service whose endpoints have hints, for one protocol. */
export interface HintedAddresses {
  readonly service: ServiceFact;
  readonly vpc: string;
  readonly protocol: ServicePortFact["protocol"];
  readonly v6: boolean;
  readonly addresses: readonly string[];
  /** The ports of `addresses` that are left out, by {@link servicePortKey}. */
  readonly taken: readonly string[];
}

/**
 * The addresses of a Service whose endpoints have zone hints (`trafficDistribution`): one load balancer for each zone that has nodes. Its addresses
 * contain the zone's variable, so only nodes of the zone have flows for it. There are as many rows as zones, and another node adds none. Without
 * zones, one load balancer for all nodes. A port whose endpoints have node hints is left to `addSameNode` on the nodes with hints.
 */
export function addZonal(
  build: FragmentBuilder,
  { service, vpc, protocol, v6, addresses, taken }: HintedAddresses,
  slices: readonly EndpointSliceFact[],
  zones: readonly string[],
): void {
  const ports = service.ports
    .filter((port) => port.protocol === protocol)
    .map(({ port, ...rest }) => {
      const targets = targetsOf({ port, ...rest }, v6, slices);
      const others = isByNode(targets) ? [portVariable("other", { uid: service.uid, protocol, port, v6 })] : [];
      return { port, targets, others };
    });
  for (const zone of zones.length === 0 ? [undefined] : zones) {
    const vips = ports.flatMap(({ port, targets, others }) => {
      const chosen = (zone === undefined ? usable(targets) : usableInZone(targets, zone))
        .map(({ text }) => text)
        .join(",");
      const where = [...(zone === undefined ? [] : [zoneVariable(zone)]), ...others];
      const free = addresses.filter((address) => !taken.includes(servicePortKey(address, { protocol, port })));
      return free.map((address) => [templateVip(address, port, ...where), chosen] as const);
    });
    addLoadBalancer(build, service, vpc, {
      name: zone === undefined ? otherNodesName(service.key, protocol, v6) : zonalName(service.key, protocol, v6, zone),
      protocol,
      vips: Object.fromEntries(vips),
      template: v6 ? 6 : 4,
    });
  }
}
