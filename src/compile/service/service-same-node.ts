// SPDX-License-Identifier: Apache-2.0

import { sameNodeName } from "../../api/names.ts";
import { mapEntry } from "../../desired/map-entry.ts";
import { type EndpointSliceFact, servicePortKey } from "../../facts/service.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { chassisVariablesId } from "../owner-ids.ts";
import { hintedByNode, isByNode, targetsOf } from "./endpoint-choice.ts";
import { addLoadBalancer } from "./load-balancer.ts";
import type { HintedAddresses } from "./service-zones.ts";
import { portVariable, templateVip } from "./template-variables.ts";

/**
 * The ports of a Service whose endpoints have node hints (`trafficDistribution: PreferSameNode`), on the nodes that are named in a hint: a template
 * load balancer whose endpoints are a variable of the node. Other nodes have a variable that the addresses of the other load balancers contain (see
 * `addZonal`), since OVN has no default value for a variable: each node has one of the two. So there is one entry for each node and such port, as for
 * a DaemonSet behind `internalTrafficPolicy: Local`, and an endpoint changes the entries of its own node, and the row of the others.
 *
 * @param nodes all nodes
 */
export function addSameNode(
  build: FragmentBuilder,
  { service, vpc, protocol, v6, addresses, taken }: HintedAddresses,
  slices: readonly EndpointSliceFact[],
  nodes: readonly string[],
): void {
  const { key, uid } = service;
  const vips: Record<string, string> = {};
  for (const port of service.ports) {
    const targets = targetsOf(port, v6, slices);
    if (port.protocol !== protocol || !isByNode(targets)) continue;
    const [same, other] = (["same", "other"] as const).map((kind) =>
      portVariable(kind, { uid, protocol, port: port.port, v6 }),
    ) as [string, string];
    for (const address of addresses)
      if (!taken.includes(servicePortKey(address, port))) vips[templateVip(address, port.port)] = `^${same}`;
    const hinted = hintedByNode(targets);
    for (const node of nodes) {
      const own = hinted.get(node)?.map(({ text }) => text);
      const entry = own === undefined ? mapEntry(other, "") : mapEntry(same, own.join(","));
      build.member("Chassis_Template_Var", chassisVariablesId(node), "variables", entry);
    }
  }
  if (Object.keys(vips).length > 0)
    addLoadBalancer(build, service, vpc, {
      name: sameNodeName(key, protocol, v6),
      protocol,
      vips,
      template: v6 ? 6 : 4,
    });
}
