// SPDX-License-Identifier: Apache-2.0

import type { CniAddress, CniResponse, CniResult, CniResultIp, CniRoute, CniVersion } from "../api/cni-message.ts";
import type { Configuration } from "./configuration.ts";
import type { Invocation } from "./environment.ts";

/**
 * The result of ADD in the version of the network configuration (CNI SPEC "ADD Success" of 0.3.0 to 1.1.0).
 *
 * If the plugin is not the first of its list, the earlier plugins' results come first, unchanged. An IPAM result (for
 * another plugin's configuration) contains no interface and no results of other plugins: CNI SPEC 1.1, section 5,
 * allows only `ips`, `routes` and `dns`, from which the calling plugin makes its own result. The order of the addresses is the daemon's
 * (`decodePodInterface` in src/contract/pod.ts: IPv4 first).
 */
export function addResult(conf: Configuration, call: Invocation, answer: CniResponse, ipamOnly: boolean): CniResult {
  const before = ipamOnly ? undefined : conf.prevResult;
  const interfaces = [...(before?.interfaces ?? [])];
  const index = interfaces.length;
  if (!ipamOnly) {
    interfaces.push({
      name: answer.nicname || call.ifName,
      mac: answer.mac_address,
      ...(conf.cniVersion === "1.1.0" && answer.mtu > 0 ? { mtu: answer.mtu } : {}),
      sandbox: call.netns,
    });
  }
  const addresses = answer.ips ?? [];
  const ips = addresses.map((address) => ({
    ...resultIp(conf.cniVersion, address),
    ...(ipamOnly ? {} : { interface: index }),
  }));
  const dns = answer.dns !== undefined && Object.keys(answer.dns).length > 0 ? answer.dns : before?.dns;
  return {
    cniVersion: conf.cniVersion,
    ...(interfaces.length > 0 ? { interfaces } : {}),
    ips: [...(before?.ips ?? []), ...ips],
    routes: [...(before?.routes ?? []), ...resultRoutes(answer.routes ?? [], addresses)],
    dns: dns ?? {},
  };
}

function resultIp(version: CniVersion, address: CniAddress): CniResultIp {
  const six = address.ip.includes(":");
  const slash = address.cidr.lastIndexOf("/");
  const prefix = slash >= 0 ? address.cidr.slice(slash + 1) : six ? "128" : "32";
  const before1 = version.startsWith("0.");
  return {
    // CNI SPEC 1.0.0 dropped `version`.
    ...(before1 ? { version: six ? "6" : "4" } : {}),
    address: `${address.ip}/${prefix}`,
    ...(address.gateway ? { gateway: address.gateway } : {}),
  };
}

/** A route in a result must have a destination; the message omits the default route's. */
function resultRoutes(routes: readonly CniRoute[], addresses: readonly CniAddress[]): CniRoute[] {
  const defaults = (): CniRoute[] => addresses.flatMap(({ gateway }) => (gateway ? [{ gw: gateway }] : []));
  return (routes.length > 0 ? routes : defaults()).map(({ dst, gw }) => ({
    dst: dst || (gw?.includes(":") ? "::/0" : "0.0.0.0/0"),
    ...(gw ? { gw } : {}),
  }));
}
