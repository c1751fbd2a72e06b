import { NODE } from "../api/annotations.ts";
import type { SubnetContract } from "../contract/subnet.ts";
import { type Ip, parseIp } from "../net/address.ts";
import { type Cidr, parseCidr } from "../net/cidr.ts";
import { parseMac } from "../net/mac.ts";
import type { PortRange } from "../net/port-range.ts";
import type { HostRulesInput } from "./host-rules.ts";
import type { NodeFact } from "./node.ts";
import type { SubnetFact } from "./subnets.ts";

/** The node's own interface into OVN and what goes through it, as it is to be. */
export interface GatewayPlan {
  readonly mac: string;
  readonly mtu: number;
  readonly addresses: readonly { readonly ip: Ip; readonly cidr: Cidr }[];
  /** `source`: the address of the node's own from which it speaks to pods; absent where it is the one of `ovn0`. */
  readonly routes: readonly { readonly destination: Cidr; readonly gateway: Ip; readonly source?: Ip }[];
  readonly rules: HostRulesInput;
  /** Addresses by which pods are to know the node and that no interface of it has: it cannot send from them. */
  readonly foreign: readonly Ip[];
}

/** What the plan depends on beside the objects. */
export interface GatewayFacts {
  /** Name of the subnet that `ovn0` is in. */
  readonly joinSubnet: string;
  readonly mtu: number;
  readonly nodePorts: PortRange;
  /** Whether an interface of this node has the address. */
  isLocal(ip: Ip): boolean;
}

/**
 * What the node's annotations (written by the controller) and the subnets ask for.
 * @returns a sentence instead where the controller has not written, or has written nonsense: then what is there must stay.
 */
export function planGateway(
  node: NodeFact | undefined,
  subnets: Iterable<SubnetFact>,
  { joinSubnet, mtu, nodePorts, isLocal }: GatewayFacts,
): GatewayPlan | string {
  if (node === undefined) return "this node is not in the API server";
  const get = (key: string): string => node.annotations[key] ?? "";
  if (get(NODE.ipAddress) === "") return "the controller has not yet given this node an address in the join subnet";
  const mac = parseMac(get(NODE.macAddress));
  if (mac === undefined) return `annotation ${NODE.macAddress} of this node is no MAC address`;
  const cidrs = split(get(NODE.cidr)).map(parseCidr);
  const gateways = split(get(NODE.gateway)).map(parseIp);
  const addresses: { ip: Ip; cidr: Cidr }[] = [];
  for (const text of split(get(NODE.ipAddress))) {
    const ip = parseIp(text);
    const cidr = cidrs.find((candidate) => candidate !== undefined && candidate.family === ip?.family);
    if (ip === undefined || cidr === undefined)
      return `annotations ${NODE.ipAddress} and ${NODE.cidr} do not fit together`;
    addresses.push({ ip, cidr });
  }

  const known = split(get(NODE.source)).flatMap((text) => parseIp(text) ?? []);
  const sources = known.filter(isLocal);
  const behind: SubnetContract[] = [];
  const routes: GatewayPlan["routes"][number][] = [];
  for (const { name, contract } of subnets) {
    if (typeof contract === "string") return contract;
    behind.push(contract);
    // The join subnet itself is on the link.
    if (name === joinSubnet) continue;
    routes.push(...contract.cidrs.flatMap((destination) => routeTo(destination, gateways, sources)));
  }
  const join = addresses.map(({ cidr }) => cidr);
  return {
    mac,
    mtu,
    foreign: known.filter((ip) => !sources.includes(ip)),
    addresses,
    routes: routes.filter(({ destination }) => !join.some(({ text }) => text === destination.text)),
    rules: {
      cluster: unique([...join, ...behind.flatMap((subnet) => subnet.cidrs)]),
      natOutgoing: unique(behind.flatMap((subnet) => (subnet.natOutgoing ? subnet.cidrs : []))),
      centralized: unique(behind.flatMap((subnet) => (subnet.gatewayType === "centralized" ? subnet.cidrs : []))),
      sources,
      nodePorts,
    },
  };
}

/** None where the join subnet has no address of the family: there is no way to such a subnet from the node. */
function routeTo(
  destination: Cidr,
  gateways: readonly (Ip | undefined)[],
  sources: readonly Ip[],
): GatewayPlan["routes"] {
  const gateway = gateways.find((candidate) => candidate?.family === destination.family);
  const source = sources.find(({ family }) => family === destination.family);
  return gateway === undefined ? [] : [{ destination, gateway, ...(source !== undefined && { source }) }];
}

function unique(cidrs: readonly Cidr[]): readonly Cidr[] {
  return [...new Map(cidrs.map((cidr) => [cidr.text, cidr])).values()];
}

function split(csv: string): readonly string[] {
  return csv
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}
