// SPDX-License-Identifier: Apache-2.0

import type { SubnetContract } from "../../contract/subnet.ts";
import type { Ip } from "../../net/address.ts";
import { type Cidr, hostCidr } from "../../net/cidr.ts";
import type { PortRange } from "../../net/port-range.ts";
import type { ServiceRulesInput } from "../services/service-rules.ts";
import { type EgressPlan, planEgress } from "./egress.ts";
import type { HostRulesInput } from "./host-rules.ts";
import type { OwnNode } from "./node.ts";
import type { RoutedSubnet } from "./subnets.ts";

/** The node's own interface into OVN and what goes through it, as it is to be. */
export interface GatewayPlan {
  readonly mac: string;
  readonly mtu: number;
  readonly addresses: readonly { readonly ip: Ip; readonly cidr: Cidr }[];
  /** `source`: the address of the node's own from which it speaks to pods; absent where it is the one of `ovn0`. */
  readonly routes: readonly { readonly destination: Cidr; readonly gateway: Ip; readonly source?: Ip }[];
  readonly rules: HostRulesInput;
  /** What leaves by a router outside. */
  readonly egress: readonly EgressPlan[];
  /** Absent: kube-proxy serves this node. */
  readonly services?: ServiceRulesInput;
  /** Addresses by which pods are to know the node and that no interface of it has: it cannot send from them. */
  readonly foreign: readonly Ip[];
}

/** What the plan depends on beside the objects. */
export interface GatewayFacts {
  /** Name of the subnet that `ovn0` is in, where the controller does not say. */
  readonly joinSubnet: string;
  readonly mtu: number;
  /** Where the controller does not say. */
  readonly nodePorts: PortRange;
  /** What the node serves of Services. */
  readonly services: Pick<ServiceRulesInput, "services" | "endpoints">;
  /** Whether an interface of this node has the address. */
  isLocal(ip: Ip): boolean;
  /** The interface on whose link the address is; undefined where it is on none. */
  linkTo(ip: Ip): string | undefined;
}

/**
 * What the node's annotations (written by the controller) and the subnets ask for.
 * @returns a reason instead where the controller has written nothing, or nothing valid: then the present state must stay.
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

/** None where the join subnet has no address of the family: there is no way to such a subnet from the node. */
function routeTo(destination: Cidr, gateways: readonly Ip[], sources: readonly Ip[]): GatewayPlan["routes"] {
  const gateway = gateways.find((candidate) => candidate.family === destination.family);
  const source = sources.find(({ family }) => family === destination.family);
  return gateway === undefined ? [] : [{ destination, gateway, ...(source !== undefined && { source }) }];
}

function unique(cidrs: readonly Cidr[]): readonly Cidr[] {
  return [...new Map(cidrs.map((cidr) => [cidr.text, cidr])).values()];
}
