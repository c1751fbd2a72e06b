// SPDX-License-Identifier: Apache-2.0

import { NODE } from "../../api/annotations.ts";
import { commaList } from "../../collections/comma-list.ts";
import { isOfOneHost, type NodeNetworks, readNodeNetworks } from "../../contract/node-networks.ts";
import { parseIp } from "../../net/address.ts";
import { tunnelMtu } from "../node-gateway/tunnel-mtu.ts";

type Ids = Readonly<Record<string, string>>;

/** Keys of `external_ids` of `Open_vSwitch`. The first three are ovn-controller's (ovn-controller(8)), the others are ours. */
const ENCAP_ID = {
  /** Addresses, separated by commas: a chassis has an `Encap` for each, and a tunnel from each one to each address of the other chassis. */
  ip: "ovn-encap-ip",
  /** The address for interfaces without `encap-ip`. */
  default: "ovn-encap-ip-default",
  type: "ovn-encap-type",
  /** The address of `start-ovs` for which the list was made: a restart of `start-ovs` with the same address does not change the list. */
  base: "weft-encap-base",
  /** The active networks, as JSON: they stay active across restarts while a new address cannot be used. */
  networks: "weft-node-networks",
} as const;

/** The input of {@link planEncaps}. */
export interface EncapInput {
  /** What `start-ovs` has set. */
  readonly settings: Ids;
  /** The current `external_ids` of `Open_vSwitch`. */
  readonly present: Ids;
  /** The additional networks that the controller assigns to the node. */
  readonly networks: NodeNetworks;
  /** Annotation `NODE.tunnelInterface`: names, separated by commas; the first existing one is used. */
  readonly tunnelInterface: string | undefined;
  /** The interface that has an address; undefined if there is none. */
  linkOf(ip: string): { readonly name: string; readonly mtu: number } | undefined;
  /** The addresses of an interface; undefined if it does not exist. */
  addressesOf(link: string): readonly string[] | undefined;
  /** Whether the interface is a bridge of Open vSwitch. */
  isBridge(link: string): boolean;
}

/** An active network of a node. */
export interface NodePlane {
  /** The address of its tunnels. */
  readonly ip: string;
  /** The MTU of its interface minus the overhead of tunnels. */
  readonly mtu: number;
}

/** What to set, and which networks cannot be used. */
export interface EncapPlan {
  /** To be set instead of what `start-ovs` set; empty if only its address is wanted and nothing else was set before. */
  readonly settings: Ids;
  /** The active networks, by name. */
  readonly planes: ReadonlyMap<string, NodePlane>;
  readonly problems: readonly { readonly reason: string; readonly message: string }[];
}

/**
 * Decides the tunnel addresses of a node: that of `start-ovs`, or of the interface that the Node's annotation names,
 * and those of its additional networks. Pure.
 */
export function planEncaps(input: EncapInput): EncapPlan {
  const { settings, present } = input;
  const base = settings[ENCAP_ID.ip];
  const problems: { reason: string; message: string }[] = [];
  const planes = new Map<string, NodePlane>();
  // Until start-ovs has set an address, the present values stay.
  if (base === undefined) return { settings: {}, planes: formerPlanes(input), problems };
  const first = defaultAddress(input, base, problems);
  const former = formerNetworks(present);
  const used: Record<string, string> = {};
  for (const [network, address] of Object.entries(input.networks)) {
    const why = unusable(input, address);
    if (why !== undefined) {
      const kept = former[network];
      const stays = kept !== undefined && kept !== address && unusable(input, kept) === undefined;
      const then = stays ? `${kept} stays active` : "pods of subnets in this network do not start here";
      const message = `network ${JSON.stringify(network)} of this node (annotation ${NODE.nodeNetworks}): ${why}; ${then}`;
      problems.push({ reason: "NodeNetworkNotUsable", message });
      if (stays) used[network] = kept;
    } else used[network] = address;
  }
  for (const [network, ip] of Object.entries(used)) planes.set(network, { ip, mtu: mtuOf(input, ip) });
  const others = [...new Set(Object.values(used))].filter((ip) => ip !== first).sort();
  // If a node has no additional networks, the values of start-ovs stay.
  if (first === base && planes.size === 0 && present[ENCAP_ID.base] === undefined)
    return { settings: {}, planes, problems };
  return {
    settings: {
      [ENCAP_ID.ip]: [first, ...others].join(","),
      [ENCAP_ID.default]: first,
      [ENCAP_ID.base]: base,
      [ENCAP_ID.networks]: JSON.stringify(used),
    },
    planes,
    problems,
  };
}

function formerNetworks(present: Ids): NodeNetworks {
  const read = readNodeNetworks(present[ENCAP_ID.networks]);
  return read.ok ? read.networks : {};
}

function formerPlanes(input: EncapInput): ReadonlyMap<string, NodePlane> {
  const networks = Object.entries(formerNetworks(input.present));
  return new Map(networks.map(([network, ip]) => [network, { ip, mtu: mtuOf(input, ip) }]));
}

/** Why an address cannot be used for tunnels. */
function unusable(input: EncapInput, ip: string): string | undefined {
  const link = input.linkOf(ip);
  if (link === undefined) return `no interface of this node has the address ${ip}`;
  if (input.settings["ovn-bridge-datapath-type"] !== "netdev" || input.isBridge(link.name)) return undefined;
  return `${ip} is on interface ${link.name}, and the userspace datapath sends tunnels only from addresses of bridges of Open vSwitch such as br-phy`;
}

/** 0 if no interface has the address. */
function mtuOf({ settings, linkOf }: EncapInput, ip: string): number {
  const link = linkOf(ip);
  return link === undefined ? 0 : tunnelMtu(link.mtu, { type: settings[ENCAP_ID.type] ?? "geneve", ip });
}

/** The tunnel address for pods without a network. If the interface cannot be used, the former address stays active. */
function defaultAddress(input: EncapInput, base: string, problems: { reason: string; message: string }[]): string {
  const { tunnelInterface = "", present } = input;
  const names = commaList(tunnelInterface);
  if (names.length === 0) return base;
  const name = names.find((candidate) => input.addressesOf(candidate) !== undefined);
  const family = parseIp(base)?.family;
  const addresses = name === undefined ? [] : (input.addressesOf(name) ?? []);
  const candidates = addresses.filter((text) => {
    const ip = parseIp(text);
    return ip !== undefined && ip.family === family && isOfOneHost(ip);
  });
  const found = candidates.includes(base) ? base : candidates[0];
  const why =
    name === undefined
      ? "this node has no such interface"
      : found === undefined
        ? `interface ${name} has no IPv${family ?? 4} address`
        : unusable(input, found);
  if (why === undefined && found !== undefined) return found;
  const before = present[ENCAP_ID.default];
  const stays =
    before !== undefined && present[ENCAP_ID.base] === base && unusable(input, before) === undefined ? before : base;
  const message = `tunnel interface ${JSON.stringify(tunnelInterface)} of this node (annotation ${NODE.tunnelInterface}): ${why}; ${stays} stays active`;
  problems.push({ reason: "TunnelInterfaceNotUsable", message });
  return stays;
}
