// SPDX-License-Identifier: Apache-2.0

/** The address families of the cluster: of pods, Services and nodes' InternalIPs. The nodes' links always have both. */
export const IP_FAMILIES = ["ipv4", "ipv6", "dual"] as const;
/** One of them. */
export type IpFamily = (typeof IP_FAMILIES)[number];

/** An IPv4 and an IPv6 value of the same thing. */
export interface Both {
  readonly v4: string;
  readonly v6: string;
}

/** Kube-OVN's defaults, as in its clusters. */
export const POD_CIDR: Both = { v4: "10.16.0.0/16", v6: "fd00:10:16::/112" };
export const JOIN_CIDR: Both = { v4: "100.64.0.0/16", v6: "fd00:100:64::/112" };
export const SERVICE_CIDR: Both = { v4: "10.96.0.0/12", v6: "fd00:10:96::/112" };
/** The Service `kubernetes`: the first address of the Service network. */
export const API_SERVICE: Both = { v4: "10.96.0.1", v6: "fd00:10:96::1" };
/** The Service `kube-dns`. */
export const DNS_SERVICE: Both = { v4: "10.96.0.10", v6: "fd00:10:96::a" };

/** The API server's port on every address of `ctl`. */
export const API_PORT = 6443;

/** "Outside the cluster": an HTTP server in `ext` that answers each request with the client's address as it saw it. */
export const EXTERNAL: Both = { v4: "203.0.113.10", v6: "2001:db8:203::10" };
export const EXTERNAL_PORT = 80;

/** One interface of a space on one of the two networks of the fabric. */
export interface FabricLink {
  /** In the space: `eth0` is for kubelet and the API, `eth1` for tunnels. */
  readonly name: "eth0" | "eth1";
  /** The bridge in the fabric. */
  readonly bridge: "br0" | "br1";
  /** The other end, a port of the bridge. */
  readonly port: string;
  readonly mac: string;
  readonly address: Both;
}

/** Prefix lengths of both networks of the fabric. */
export const PREFIX = { v4: 24, v6: 64 } as const;

/** The names of the spaces that are not nodes: the bridges between all, the control plane, the outside host. */
export const FABRIC = "fabric";
export const CONTROL = "ctl";
export const OUTSIDE = "ext";

/** A node's name; the first is 1. */
export function nodeName(index: number): string {
  return `weft-${index}`;
}

/** The names of the first `count` nodes. */
export function labNodeNames(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => nodeName(index + 1));
}

/** The interfaces of a space; the fabric has none of its own. */
export function linksOf(space: string): readonly FabricLink[] {
  const host = hostNumber(space);
  if (host === undefined) return [];
  const link = (nic: 0 | 1): FabricLink => ({
    name: nic === 0 ? "eth0" : "eth1",
    bridge: nic === 0 ? "br0" : "br1",
    port: `${space}-${nic}`,
    mac: `02:00:ac:${18 + nic}:00:${host.toString(16).padStart(2, "0")}`,
    address: { v4: `172.${18 + nic}.0.${host}`, v6: `fd00:172:${18 + nic}::${host}` },
  });
  return space === CONTROL ? [link(0)] : [link(0), link(1)];
}

/** The address of a space on `eth0`: a node's InternalIP. */
export function addressOf(space: string): Both {
  const [first] = linksOf(space);
  if (first === undefined) throw new RangeError(`${space} has no address`);
  return first.address;
}

function hostNumber(space: string): number | undefined {
  if (space === OUTSIDE) return 1;
  if (space === CONTROL) return 2;
  const index = /^weft-(\d+)$/.exec(space)?.[1];
  return index === undefined ? undefined : 10 + Number(index);
}

/** The most nodes a lab can have: their addresses end below 255. */
export const MAX_NODES = 200;

/** The two ends of the link between the host and `ctl`: a /30 of 198.18.0.0/15 (RFC 2544, never routed); `block` is below 32768. */
export function hostLinkAddresses(block: number): {
  readonly host: string;
  readonly control: string;
  readonly prefix: 30;
} {
  const base = block * 4;
  const text = (offset: number): string => {
    const value = base + offset;
    return `198.${18 + (value >> 16)}.${(value >> 8) & 255}.${value & 255}`;
  };
  return { host: text(1), control: text(2), prefix: 30 };
}

/** The values of the families chosen, IPv4 first. */
export function chosen(family: IpFamily, both: Both): readonly string[] {
  if (family === "ipv4") return [both.v4];
  return family === "ipv6" ? [both.v6] : [both.v4, both.v6];
}
