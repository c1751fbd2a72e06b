// SPDX-License-Identifier: Apache-2.0

import { isObject } from "../collections/plain.ts";
import { type Ip, isMapped, parseIp } from "../net/address.ts";
import { cidrContains, parseCidr } from "../net/cidr.ts";

/** Additional networks of a node: name → the node's address in it, in canonical form, at which tunnels end. */
export type NodeNetworks = Readonly<Record<string, string>>;

/** Longer texts are rejected. */
const MAX_TEXT = 4_096;
const MAX_NETWORKS = 16;
const MAX_NAME = 63;
/** Addresses that no single host can have. */
const NOT_OF_ONE_HOST = [
  "0.0.0.0/8",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "224.0.0.0/3",
  "::/127",
  "fe80::/10",
  "ff00::/8",
];
const BLOCKS = NOT_OF_ONE_HOST.flatMap((text) => parseCidr(text) ?? []);

/** The parsed annotation `NODE.nodeNetworks`. */
export type NodeNetworksResult =
  | { readonly ok: true; readonly networks: NodeNetworks; readonly problems: readonly NodeNetworkProblem[] }
  /** It is not a valid JSON object of strings: all of it is ignored. */
  | { readonly ok: false; readonly message: string };

/** Why one entry is ignored. */
export interface NodeNetworkProblem {
  readonly network: string;
  readonly message: string;
}

/** Reads a JSON object, network name → address: `{"storage":"192.168.10.11"}`. An absent or empty text means no networks. Pure. */
export function readNodeNetworks(text: string | undefined): NodeNetworksResult {
  if (text === undefined || text.trim() === "") return { ok: true, networks: {}, problems: [] };
  const wanted = `must be a JSON object such as {"storage":"192.168.10.11"}`;
  if (text.length > MAX_TEXT) return { ok: false, message: `has more than ${MAX_TEXT} characters` };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, message: wanted };
  }
  if (!isObject(value)) return { ok: false, message: wanted };
  const entries = Object.entries(value);
  if (entries.length > MAX_NETWORKS)
    return { ok: false, message: `has ${entries.length} networks; the limit is ${MAX_NETWORKS}` };
  const networks: Record<string, string> = Object.create(null);
  const problems: NodeNetworkProblem[] = [];
  for (const [network, address] of entries.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const ip = typeof address === "string" ? parseIp(address) : undefined;
    const message = refusal(network, address, ip);
    if (message !== undefined) problems.push({ network, message });
    else if (ip !== undefined) networks[network] = ip.text;
  }
  return { ok: true, networks: { ...networks }, problems };
}

function refusal(network: string, address: unknown, ip: Ip | undefined): string | undefined {
  if (network === "" || network.length > MAX_NAME || !/^[!-~]+$/.test(network))
    return `its name must have 1 to ${MAX_NAME} printable ASCII characters without blanks`;
  if (ip === undefined) return `${JSON.stringify(address)?.slice(0, 80)} is not a valid IP address`;
  return isOfOneHost(ip) ? undefined : `${ip.text} cannot be the address of one host`;
}

/** Whether tunnels may end at the address: it is not a loopback, link-local, multicast or mapped one. */
export function isOfOneHost(ip: Ip): boolean {
  return !isMapped(ip) && !BLOCKS.some((block) => block.family === ip.family && cidrContains(block, ip));
}
