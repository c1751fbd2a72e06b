// SPDX-License-Identifier: Apache-2.0

import { localName, refusalName } from "../../api/names.ts";
import { mapEntry } from "../../desired/map-entry.ts";
import type { EndpointSliceFact, ServiceFact, ServicePortFact } from "../../facts/service.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { chassisVariablesId } from "../owner-ids.ts";
import { isV6, targetsOf, usableByNode } from "./endpoint-choice.ts";
import { addLoadBalancer } from "./load-balancer.ts";
import { portVariable, templateVip } from "./template-variables.ts";

/**
 * The cluster addresses of a Service with `internalTrafficPolicy: Local`: one template load balancer for each protocol and family, whose endpoints
 * are a variable, and an entry for this variable on each node with endpoints.
 *
 * On other nodes OVN has no flow for the address and port, and the packet would leave the VPC by the default route. So a second load balancer refuses
 * everything else that is sent to the address. It has no port, and so a lower priority (northd: 110 and 120).
 *
 * northd makes no affinity flows for template load balancers: with `sessionAffinity` a hash of the client's address chooses the endpoint on its node.
 */
export function addLocal(
  build: FragmentBuilder,
  service: ServiceFact,
  vpc: string,
  slices: readonly EndpointSliceFact[],
): void {
  const { key, uid, addresses, affinity } = service;
  for (const address of addresses) {
    const v6 = isV6(address);
    for (const protocol of ["TCP", "UDP", "SCTP"] as const) {
      const ports = service.ports.filter((port) => port.protocol === protocol);
      if (ports.length === 0) continue;
      const vips = ports.map(({ port }) => [
        templateVip(address, port),
        `^${portVariable("local", { uid, protocol, port, v6 })}`,
      ]);
      addLoadBalancer(build, service, vpc, {
        name: localName(key, protocol, v6),
        protocol,
        vips: Object.fromEntries(vips),
        template: v6 ? 6 : 4,
        byClient: affinity > 0,
      });
      for (const port of ports) addEntries(build, uid, port, v6, slices);
    }
  }
  if (addresses.length > 0 && service.ports.length > 0)
    addLoadBalancer(build, service, vpc, {
      name: refusalName(key),
      vips: Object.fromEntries(addresses.map((address) => [address, ""])),
    });
}

function addEntries(
  build: FragmentBuilder,
  uid: string,
  port: ServicePortFact,
  v6: boolean,
  slices: readonly EndpointSliceFact[],
): void {
  const variable = portVariable("local", { uid, protocol: port.protocol, port: port.port, v6 });
  for (const [node, own] of usableByNode(targetsOf(port, v6, slices))) {
    const entry = mapEntry(variable, own.map(({ text }) => text).join(","));
    build.member("Chassis_Template_Var", chassisVariablesId(node), "variables", entry);
  }
}
