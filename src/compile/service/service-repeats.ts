// SPDX-License-Identifier: Apache-2.0

import { parseIp } from "../../net/address.ts";
import { cidrContains, parseCidr } from "../../net/cidr.ts";

/**
 * Each endpoint of a Service with affinity as a VIP that leads to itself. northd's flow that learns the affinity of a
 * client drops the packet that it learns from (`ls_in_lb_aff_learn`, up to 26.03), and drops the retransmissions too:
 * the connection is then in conntrack, so the packet has the endpoint's address when the affinity is looked up by the
 * Service's address, the lookup fails, and the same flow learns and drops. With this VIP the packet is balanced
 * again, by the endpoint's address, and is forwarded. The VIP has no port: with a port, 25.03 compares the packet's
 * port (then the endpoint's), and 26.03 the one in conntrack (the Service's).
 */
export function repeatsOf(
  vips: Readonly<Record<string, string>>,
  ranges: readonly string[],
): Readonly<Record<string, string>> {
  const blocks = ranges.flatMap((text) => parseCidr(text) ?? []);
  const endpoints = Object.values(vips).flatMap((list) => (list === "" ? [] : list.split(",")));
  const addresses = endpoints.map((endpoint) => endpoint.slice(0, endpoint.lastIndexOf(":")).replace(/^\[|\]$/g, ""));
  // An address of another Service is balanced by that Service.
  const own = addresses.filter((address) => {
    const ip = parseIp(address);
    return ip !== undefined && !blocks.some((block) => cidrContains(block, ip));
  });
  return Object.fromEntries([...new Set(own)].sort().map((address) => [address, address]));
}
