// SPDX-License-Identifier: Apache-2.0

import { keyOfAddress } from "./addresses.ts";
import type { NorthboundServer } from "./database-server.ts";

/** One use of an address by a row. */
interface Use {
  /** The router or switch port that answers for the address. */
  readonly by: string;
  /** What only one row may be for the address; undefined: any number may use it in this way. */
  readonly sole?: string;
  readonly what: string;
}

/**
 * The addresses that rows use for two things, as text: for each address one router or switch port answers, one floating IP has it, and one load balancer has a
 * port of it. Only addresses that `outside` matches, which are those of external subnets.
 */
export function addressesSharedByRows(northbound: Pick<NorthboundServer, "rows">, outside: RegExp): readonly string[] {
  const uses = usesOf(northbound).filter(([address]) => outside.test(address));
  return [...Map.groupBy(uses, ([address]) => keyOfAddress(address)).values()].flatMap((all) => {
    const rows = all.map(([, use]) => use);
    const soles = rows.flatMap(({ sole }) => sole ?? []);
    const isShared = new Set(rows.map(({ by }) => by)).size > 1 || new Set(soles).size < soles.length;
    return isShared ? [`${all[0]?.[0]} is that of ${rows.map((use) => use.what).join(" and of ")}`] : [];
  });
}

/** Which rows use which addresses: ports of routers, translations, load balancers of routers, and switch ports. */
function usesOf(northbound: Pick<NorthboundServer, "rows">): readonly (readonly [string, Use])[] {
  const ports = new Map(northbound.rows("Logical_Router_Port").map((row) => [row._uuid, row]));
  const nats = new Map(northbound.rows("NAT").map((row) => [row._uuid, row]));
  const balancers = new Map(northbound.rows("Load_Balancer").map((row) => [row._uuid, row]));
  const uses: (readonly [string, Use])[] = [];
  for (const { name, ports: own, nat, load_balancer } of northbound.rows("Logical_Router")) {
    const by = `router ${name}`;
    for (const uuid of own)
      for (const network of ports.get(uuid)?.networks ?? [])
        uses.push([network.split("/")[0] ?? "", { by, what: `the port of ${by}` }]);
    for (const uuid of nat) {
      const { type = "snat", external_ip = "", logical_ip = "" } = nats.get(uuid) ?? {};
      const sole = type === "dnat_and_snat" ? { sole: type } : {};
      uses.push([external_ip, { by, ...sole, what: `${logical_ip} in ${by} (${type})` }]);
    }
    for (const uuid of load_balancer) {
      const { vips = {}, protocol = "tcp" } = balancers.get(uuid) ?? {};
      for (const vip of Object.keys(vips)) {
        const address = vip.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
        uses.push([address, { by, sole: `${vip}/${protocol}`, what: `${vip}/${protocol} in ${by}` }]);
      }
    }
  }
  for (const { name, type, addresses, options } of northbound.rows("Logical_Switch_Port")) {
    const by = `port ${name}`;
    const own =
      type === "virtual" ? [options["virtual-ip"] ?? ""] : addresses.flatMap((text) => text.split(" ").slice(1));
    for (const address of own) uses.push([address, { by, what: by }]);
  }
  return uses;
}
