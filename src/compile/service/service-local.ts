// SPDX-License-Identifier: Apache-2.0

import { localName, refusalName } from "../../api/names.ts";
import { mapEntry } from "../../desired/map-entry.ts";
import type { EndpointSliceFact, ServiceFact, ServicePortFact } from "../../facts/service.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { chassisVariablesId } from "../owner-ids.ts";
import { addLoadBalancer } from "./load-balancer.ts";
import { isV6, targetsOf, usableByNode } from "./service-endpoints.ts";
import { endpointsVariable, templateVip } from "./template-variables.ts";

/**
 * The cluster addresses of a Service with `internalTrafficPolicy: Local`: one load balancer for each protocol and family, whose endpoints are what
 * the client's node says of them in a variable, and an entry for each node that has endpoints.
 *
 * On other nodes OVN has no flow for such an address and port, and the packet would leave its VPC by the default route. So a second one, of a lower
 * priority as it is without a port (northd: 110 and 120), refuses whatever else is sent to the address.
 *
 * northd makes no flows that learn affinity from a template: of a sticky Service a client's address says which of its node's endpoints it has.
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
        `^${endpointsVariable(uid, protocol, port, v6)}`,
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
  const variable = endpointsVariable(uid, port.protocol, port.port, v6);
  for (const [node, own] of usableByNode(targetsOf(port, v6, slices))) {
    const entry = mapEntry(variable, own.map(({ text }) => text).join(","));
    build.member("Chassis_Template_Var", chassisVariablesId(node), "variables", entry);
  }
}
