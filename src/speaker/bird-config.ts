// SPDX-License-Identifier: Apache-2.0

import type { Dual } from "../net/dual.ts";
import type { Announcement } from "./announcements.ts";
import type { BgpOptions } from "./options.ts";

/** The port on which BIRD accepts no neighbour's connection, because it opens all of them itself: unlike 179 it needs no privilege. */
const UNUSED_PORT = 1790;
/** RFC 4271 §10. */
const BGP_PORT = 179;

/** A neighbour, and the name of BIRD's protocol for it. */
export interface Neighbor {
  readonly protocol: string;
  readonly address: string;
}

/** The neighbours of the options. */
export function neighborsOf({ neighborAddresses }: Pick<BgpOptions, "neighborAddresses">): readonly Neighbor[] {
  return neighborAddresses.map((address, i) => ({ protocol: `neighbor${i + 1}`, address }));
}

/** Whether a text can be a password in BIRD's configuration, which has no way to write these characters in a string. */
export function isPassword(text: string): boolean {
  return /^[^"\p{Cc}]{1,80}$/u.test(text);
}

/**
 * The whole configuration of BIRD 2 for a speaker: it announces, accepts no route and changes nothing of the kernel's. `local` are the node's addresses, from
 * which it connects and which are the next hop; a neighbour of a family in which the node has none is left out.
 */
export function birdConfig(
  options: BgpOptions,
  local: Dual<string>,
  routerId: string,
  routes: readonly Announcement[],
): string {
  const lines = [
    "# Written by kube-ovn-speaker.",
    "log stderr all;",
    "debug protocols { states };",
    `router id ${routerId};`,
    `graceful restart wait ${options.gracefulRestart?.deferralS ?? 240};`,
    "protocol device {}",
    ...staticRoutes("v4", routes),
    ...staticRoutes("v6", routes),
    ...(options.bfd === undefined ? [] : bfd(options.bfd)),
    ...neighborsOf(options).flatMap((neighbor) => bgp(options, local, neighbor)),
  ];
  return `${lines.join("\n")}\n`;
}

function familyOf(address: string): "v4" | "v6" {
  return address.includes(":") ? "v6" : "v4";
}

/** Routes that BIRD has, and that it gives to nothing but its neighbours. */
function staticRoutes(family: "v4" | "v6", routes: readonly Announcement[]): readonly string[] {
  const own = routes.filter(({ prefix }) => familyOf(prefix) === family);
  return [
    `protocol static announced_${family} {`,
    `  ip${family};`,
    ...own.map(({ prefix, nextHop }) =>
      nextHop === undefined
        ? `  route ${prefix} unreachable;`
        : `  route ${prefix} unreachable { bgp_next_hop = ${nextHop}; };`,
    ),
    "}",
  ];
}

function bfd({ minTxMs, minRxMs, multiplier }: NonNullable<BgpOptions["bfd"]>): readonly string[] {
  const session = `min tx interval ${minTxMs} ms; min rx interval ${minRxMs} ms; multiplier ${multiplier};`;
  return [`protocol bfd { interface "*" { ${session} }; multihop { ${session} }; }`];
}

function bgp(options: BgpOptions, local: Dual<string>, { protocol, address }: Neighbor): readonly string[] {
  const { clusterAs, neighborAs, password, gracefulRestart, ebgpMultihop: ttl, passive, holdTimeS } = options;
  const family = familyOf(address);
  const source = local[family];
  if (source === undefined) return [];
  const other = family === "v4" ? "v6" : "v4";
  // Of the other family, the next hop must be named: for IPv4 prefixes it may be an IPv6 address (RFC 8950), for IPv6 prefixes never an IPv4 address.
  const otherHop = family === "v6" ? ["extended next hop on;"] : local.v6 && [`next hop address ${local.v6};`];
  const others = options.extendedNextHop && otherHop ? channel(other, otherHop) : [];
  return [
    `protocol bgp ${protocol} {`,
    `  local ${source} port ${passive ? BGP_PORT : UNUSED_PORT} as ${clusterAs};`,
    `  neighbor ${address} as ${neighborAs};`,
    ttl > 1 ? `  multihop ${ttl};` : "  direct;",
    `  hold time ${holdTimeS};`,
    "  connect delay time 1; connect retry time 5; error wait time 1, 30;",
    ...(password === undefined ? [] : [`  authentication md5; password "${password}";`]),
    ...(passive ? ["  passive on;"] : []),
    ...(gracefulRestart ? [`  graceful restart on; graceful restart time ${gracefulRestart.timeS};`] : []),
    ...(options.bfd ? ["  bfd on;"] : []),
    ...channel(family, []),
    ...others,
    "}",
  ];
}

/** What is exchanged of one family. Routes with a next hop of their own keep it. */
function channel(family: "v4" | "v6", options: readonly string[]): readonly string[] {
  return [
    `  ip${family} {`,
    ...options.map((one) => `    ${one}`),
    "    next hop keep; import none; export where source = RTS_STATIC;",
    "  };",
  ];
}
