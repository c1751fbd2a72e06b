import { NODE } from "../api/annotations.ts";
import { type Ip, parseIp } from "../net/address.ts";
import { type Cidr, parseCidr } from "../net/cidr.ts";
import { parseMac } from "../net/mac.ts";
import type { HostRulesInput } from "./host-rules.ts";
import type { NodeFact } from "./node.ts";
import type { SubnetFact } from "./subnets.ts";

/** The node's own interface into OVN and what goes through it, as it is to be. */
export interface GatewayPlan {
  readonly mac: string;
  readonly mtu: number;
  readonly addresses: readonly { readonly ip: Ip; readonly cidr: Cidr }[];
  readonly routes: readonly { readonly destination: Cidr; readonly gateway: Ip }[];
  readonly rules: HostRulesInput;
}

/**
 * What the node's annotations (written by the controller) and the subnets ask for.
 * @param joinSubnet name of the subnet that `ovn0` is in.
 * @returns a sentence instead where the controller has not written, or has written nonsense.
 */
export function planGateway(
  node: NodeFact | undefined,
  subnets: Iterable<SubnetFact>,
  joinSubnet: string,
  mtu: number,
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

  const behind = [...subnets].filter((subnet) => subnet.behindNode);
  const routes = behind.flatMap((subnet) =>
    // The join subnet itself is on the link.
    subnet.name === joinSubnet ? [] : subnet.cidrs.flatMap((destination) => routeTo(destination, gateways)),
  );
  const join = addresses.map(({ cidr }) => cidr);
  return {
    mac,
    mtu,
    addresses,
    routes: routes.filter(({ destination }) => !join.some(({ text }) => text === destination.text)),
    rules: {
      cluster: unique([...join, ...behind.flatMap((subnet) => subnet.cidrs)]),
      natOutgoing: unique(behind.flatMap((subnet) => (subnet.natOutgoing ? subnet.cidrs : []))),
    },
  };
}

/** None where the join subnet has no address of the family: there is no way to such a subnet from the node. */
function routeTo(destination: Cidr, gateways: readonly (Ip | undefined)[]): { destination: Cidr; gateway: Ip }[] {
  const gateway = gateways.find((candidate) => candidate?.family === destination.family);
  return gateway === undefined ? [] : [{ destination, gateway }];
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
