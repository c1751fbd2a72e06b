// SPDX-License-Identifier: Apache-2.0

import { parseIp } from "../../net/address.ts";
import { cidrContains, parseCidr } from "../../net/cidr.ts";

/**
 * Each endpoint of a sticky Service as an address that leads to itself. northd's flow that learns which endpoint a client has drops the packet
 * that it learns from (`ls_in_lb_aff_learn`, up to 26.03), and drops again what the client sends again: by then the connection is in
 * conntrack, so the packet has the endpoint's address as soon as it comes, its client's affinity is asked for by the Service's
 * address and is not found, and the same flow learns and drops. Balanced once more, by the endpoint's address, the packet is no more one
 * to learn from and goes on. By the address without a port: with one, 25.03 compares the packet's, which is the endpoint's by then, and 26.03
 * conntrack's, which is the Service's.
 */
export function repeatsOf(
  vips: Readonly<Record<string, string>>,
  ranges: readonly string[],
): Readonly<Record<string, string>> {
  const blocks = ranges.flatMap((text) => parseCidr(text) ?? []);
  const endpoints = Object.values(vips).flatMap((list) => (list === "" ? [] : list.split(",")));
  const addresses = endpoints.map((endpoint) => endpoint.slice(0, endpoint.lastIndexOf(":")).replace(/^\[|\]$/g, ""));
  // Another Service's address is that Service's to balance.
  const own = addresses.filter((address) => {
    const ip = parseIp(address);
    return ip !== undefined && !blocks.some((block) => cidrContains(block, ip));
  });
  return Object.fromEntries([...new Set(own)].sort().map((address) => [address, address]));
}
