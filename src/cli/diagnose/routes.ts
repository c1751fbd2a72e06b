// SPDX-License-Identifier: Apache-2.0

import { NODE_INTERFACE } from "../../api/names.ts";
import { nodePortName } from "../../api/port-names.ts";
import { ContractError } from "../../contract/document.ts";
import { decodeSubnetContract } from "../../contract/subnet.ts";
import { type Ip, parseIp } from "../../net/address.ts";
import { type Cidr, cidrContains, parseCidr } from "../../net/cidr.ts";
import type { ClusterModel } from "../cluster-model.ts";
import type { Finding } from "./finding.ts";
import type { SeenNode, SeenPod } from "./on-node/node-view.ts";

/** Routes and addresses that a node or its pods lack. */
export function diagnoseRoutes(model: ClusterModel, node: string, view: SeenNode): readonly Finding[] {
  return [...ofNode(model, node, view), ...view.pods.flatMap((pod) => ofPod(model, pod))];
}

/** Ranges that nodes reach through `ovn0`. */
function routed({ facts }: ClusterModel): readonly { readonly subnet: string; readonly cidr: Cidr }[] {
  return facts.all("subnetSpecs").flatMap(({ name: subnet, nodeContract }) => {
    if (nodeContract === undefined) return [];
    try {
      return decodeSubnetContract(nodeContract).cidrs.map((cidr) => ({ subnet, cidr }));
    } catch (error) {
      if (error instanceof ContractError) return [];
      throw error;
    }
  });
}

function ofNode(model: ClusterModel, node: string, { links, routes }: SeenNode): readonly Finding[] {
  const about = { area: "node", object: `Node ${node}`, severity: "error" } as const;
  const own = Object.values(model.network.ports.get(nodePortName(node))?.addresses ?? {}) as Ip[];
  if (own.length === 0) return [];
  const gateway = links.find(({ name }) => name === NODE_INTERFACE);
  const log = `see \`weftctl log daemon ${node}\`: the daemon restores it, unless another program removes it again`;
  if (gateway === undefined || !gateway.up)
    return [
      {
        ...about,
        problem: `has no interface ${NODE_INTERFACE}${gateway === undefined ? "" : " that is up"}`,
        evidence: "ip link on the node",
        remedy: log,
      },
    ];
  const lost = own.filter(({ text }) => !gateway.addresses.some((each) => parseIp(each)?.text === text));
  const addresses = lost.map(
    ({ text }): Finding => ({
      ...about,
      problem: `${NODE_INTERFACE} does not have the node's address ${text}`,
      evidence: `ip address on the node: ${gateway.addresses.join(", ") || "none"}`,
      remedy: log,
    }),
  );
  return [
    ...addresses,
    ...routed(model).flatMap(({ subnet, cidr }): readonly Finding[] => {
      // The node has no address of the family, or is on the link.
      if (!own.some(({ family }) => family === cidr.family) || own.some((ip) => cidrContains(cidr, ip))) return [];
      const found = routes.filter(({ destination }) => parseCidr(destination)?.text === cidr.text);
      if (found.some(({ device }) => device === NODE_INTERFACE)) return [];
      const other = found[0];
      return [
        {
          ...{ ...about, concerns: [subnet] },
          problem: `has no route to ${cidr.text} (Subnet ${subnet}) by ${NODE_INTERFACE}`,
          evidence: `ip route on the node: ${other === undefined ? "none for this range" : `another program's by ${other.device}`}`,
          remedy:
            other === undefined ? log : `remove the route by ${other.device}: Weft does not replace another program's`,
        },
      ];
    }),
  ];
}

function ofPod(
  { facts, network }: ClusterModel,
  { port, pod, interface: name, link, routes }: SeenPod,
): readonly Finding[] {
  const fact = facts.get("pods", pod);
  const wanted = fact && network.podPort(fact);
  // Secondary interfaces have no default route.
  if (fact === undefined || wanted?.name !== port || fact.replacesPrimary === true) return [];
  const about = { area: "pod", object: `Pod ${pod}`, severity: "error" } as const;
  const restart = "restart the pod; a program in it with the capability NET_ADMIN may have removed it";
  if (link === undefined || !link.up)
    return [
      {
        ...about,
        problem: `has no interface ${name}${link === undefined ? "" : " that is up"}`,
        evidence: "ip link in the pod",
        remedy: restart,
      },
    ];
  const has = link.addresses.flatMap((each) => parseIp(each)?.text ?? []);
  return (Object.values(wanted.addresses) as Ip[]).flatMap(({ text, family }): readonly Finding[] => {
    if (!has.includes(text))
      return [
        {
          ...about,
          problem: `interface ${name} does not have its address ${text}`,
          evidence: `ip address in the pod: ${has.join(", ") || "none"}`,
          remedy: restart,
        },
      ];
    // Of another interface, if the pod has several networks.
    if (routes.some((route) => route.family === family && route.destination === "default")) return [];
    return [
      {
        ...about,
        problem: `has no default route for IPv${family}`,
        evidence: "ip route in the pod",
        remedy: restart,
      },
    ];
  });
}
