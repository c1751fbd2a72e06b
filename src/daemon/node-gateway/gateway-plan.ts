// SPDX-License-Identifier: Apache-2.0

import type { SubnetContract } from "../../contract/subnet.ts";
import type { Ip } from "../../net/address.ts";
import { type Cidr, hostCidr } from "../../net/cidr.ts";
import type { PortRange } from "../../net/port-range.ts";
import type { ServiceRulesInput } from "../services/service-rules.ts";
import { type EgressPlan, planEgress } from "./egress.ts";
import type { HostRulesInput } from "./host-rules.ts";
import type { OwnNode } from "./node-reader.ts";
import type { RoutedSubnet } from "./subnet-reader.ts";

/** The desired state of `ovn0` and of the traffic through it. */
export interface GatewayPlan {
  readonly mac: string;
  readonly mtu: number;
  readonly addresses: readonly { readonly ip: Ip; readonly cidr: Cidr }[];
  /** `source`: the node's own source address for packets to pods; absent if it is the address of `ovn0`. */
  readonly routes: readonly { readonly destination: Cidr; readonly gateway: Ip; readonly source?: Ip }[];
  readonly rules: HostRulesInput;
  /** Traffic that leaves by an external router. */
  readonly egress: readonly EgressPlan[];
  /** Absent: kube-proxy serves this node. */
  readonly services?: ServiceRulesInput;
  /** Addresses of the Node object that no interface of the node has: the node cannot send from them. */
  readonly foreign: readonly Ip[];
}

/** Inputs of the plan besides the objects. */
export interface GatewayFacts {
  /** Name of the subnet of `ovn0`, if the controller does not state it. */
  readonly joinSubnet: string;
  readonly mtu: number;
  /** Used if the controller does not state it. */
  readonly nodePorts: PortRange;
  /** The Services that the node serves. */
  readonly services: Pick<ServiceRulesInput, "services" | "endpoints" | "everywhere">;
  /** Whether an interface of this node has the address. */
  isLocal(ip: Ip): boolean;
  /** The interface whose link the address is on; undefined if there is none. */
  linkTo(ip: Ip): string | undefined;
}

/**
 * Plans the node's state from its annotations (written by the controller) and the subnets.
 * @returns a reason instead if the controller has not written valid annotations: then the present state must stay.
 */
export function planGateway(
  node: OwnNode | undefined,
  subnets: Iterable<RoutedSubnet>,
  { joinSubnet, mtu, nodePorts, services, isLocal, linkTo }: GatewayFacts,
): GatewayPlan | string {
  if (node === undefined) return "the Node object of this node does not exist";
  if (typeof node.contract === "string") return node.contract;
  const { mac, addresses, gateways, sources: known } = node.contract;
  const sources = known.filter(isLocal);
  const behind: SubnetContract[] = [];
  const routes: GatewayPlan["routes"][number][] = [];
  for (const { name, contract } of subnets) {
    if (typeof contract === "string") return contract;
    behind.push(contract);
    // The join subnet itself is on the link.
    if (name === (node.contract.joinSubnet || joinSubnet)) continue;
    routes.push(...contract.cidrs.flatMap((destination) => routeTo(destination, gateways, sources)));
  }
  const egress = planEgress(behind, { isLocal, linkTo });
  const { services: contract } = node.contract;
  for (const source of contract?.sources ?? []) routes.push(...routeTo(hostCidr(source), gateways, sources));
  const join = addresses.map(({ cidr }) => cidr);
  return {
    mac,
    mtu,
    foreign: known.filter((ip) => !sources.includes(ip)),
    addresses,
    routes: routes.filter(({ destination }) => !join.some(({ text }) => text === destination.text)),
    egress,
    rules: {
      cluster: unique([...join, ...behind.flatMap((subnet) => subnet.cidrs)]),
      natOutgoing: unique(behind.flatMap((subnet) => (subnet.natOutgoing ? subnet.cidrs : []))),
      natSources: behind.flatMap(({ cidrs, natSources = [] }) =>
        cidrs.flatMap((cidr) => {
          const source = natSources.find((ip) => ip.family === cidr.family && isLocal(ip));
          return source === undefined ? [] : [{ cidr, source }];
        }),
      ),
      natRules: behind.flatMap(({ cidrs, natOutgoing, natRules = [] }) =>
        natOutgoing && natRules.length > 0 ? [{ cidrs, natRules }] : [],
      ),
      centralized: unique(behind.flatMap((subnet) => (subnet.gatewayType === "centralized" ? subnet.cidrs : []))),
      egress: egress.length > 0,
      sources,
      nodePorts: node.contract.nodePorts ?? nodePorts,
    },
    ...(contract && { services: { contract, from: sources, ...services } }),
  };
}

/** Undefined if the join subnet has no address of the family: the node cannot reach such a subnet. */
function routeTo(destination: Cidr, gateways: readonly Ip[], sources: readonly Ip[]): GatewayPlan["routes"] {
  const gateway = gateways.find((candidate) => candidate.family === destination.family);
  const source = sources.find(({ family }) => family === destination.family);
  return gateway === undefined ? [] : [{ destination, gateway, ...(source !== undefined && { source }) }];
}

function unique(cidrs: readonly Cidr[]): readonly Cidr[] {
  return [...new Map(cidrs.map((cidr) => [cidr.text, cidr])).values()];
}
