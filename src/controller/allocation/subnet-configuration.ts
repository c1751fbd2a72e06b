// SPDX-License-Identifier: Apache-2.0

import { isOvnProvider } from "../../api/annotations.ts";
import { poolVerdictKey } from "../../claims/verdict-keys.ts";
import { routerMacId } from "../../compile/owner-ids.ts";
import { subnetAddressesOf } from "../../compile/subnet/subnet-validation.ts";
import { readVips } from "../../compile/subnet/subnet-vips.ts";
import { stableMac } from "../../desired/identity.ts";
import type { FactStore } from "../../facts/store.ts";
import type { SubnetFact } from "../../facts/subnet.ts";
import { parsePools } from "../../ipam/config.ts";
import type { Ipam } from "../../ipam/ipam.ts";
import type { Refusal } from "../../ipam/refusal.ts";
import { parseRange } from "../../net/range.ts";

/** Configures a subnet and its pools in IPAM, and derives which pools are accepted. Returns the part of the subnet that is in no pool. */
export function configureSubnet(facts: FactStore, ipam: Ipam, name: string): readonly Refusal[] {
  const subnet = facts.get("subnets", name);
  // Of two pools with one address the oldest keeps it.
  const pools = facts
    .by("ipPools", "subnet", name)
    .toSorted((a, b) => (a.created < b.created ? -1 : a.created > b.created ? 1 : 0));
  // A subnet that conflicts with its neighbours allocates no addresses (see `withEligibleSubnets`), but used ones stay in use.
  const parsed = subnet === undefined || subnet.problem !== undefined ? undefined : subnetAddressesOf(subnet);
  if (subnet === undefined) ipam.remove(name, { force: true });
  // A controller that starts now does not know the subnet. Its leases stay.
  else if (parsed?.ok !== true) ipam.remove(name);
  let problems: Refusal[] | undefined;
  if (subnet !== undefined && parsed?.ok === true) {
    problems = [];
    const config = {
      name,
      ...parsed.addresses,
      exclude: [...parsed.addresses.exclude, ...readVips(subnet).addresses.flatMap((ip) => parseRange(ip) ?? [])],
      macDomain: macDomain(subnet),
      reservedMacs: isOvnProvider(subnet.provider)
        ? [{ mac: stableMac(routerMacId(subnet.vpc, name)), holder: `gateway/${name}` }]
        : [],
      pools: parsePools(
        name,
        pools.filter((pool) => !pool.deleting),
        problems,
      ),
    };
    problems.push(...ipam.configure(config).problems);
  }
  for (const pool of pools) {
    const key = poolVerdictKey(pool.name);
    const mine = (problems ?? []).filter((candidate) => candidate.pool === pool.name);
    const [problem] = mine;
    const refused = pool.problem;
    if (problems === undefined || facts.get("verdicts", name)?.ok !== true) {
      const message =
        subnet === undefined
          ? `subnet "${name}" (spec.subnet) does not exist; create it, or recreate the pool with another subnet`
          : `subnet "${name}" (spec.subnet) is not ready; see the conditions of the subnet`;
      facts.set("verdicts", key, { key, ok: false, reason: "SubnetNotReady", message });
    } else if (problem !== undefined) {
      const more = mine.length > 5 ? ` And ${mine.length - 5} more.` : "";
      const message =
        mine
          .slice(0, 5)
          .map((each) => each.message)
          .join(" ") + more;
      facts.set("verdicts", key, { key, ok: false, reason: problem.code, message, ...(refused && { refused }) });
    } else {
      facts.set("verdicts", key, { key, ok: true, reason: "Ready", message: "", ...(refused && { refused }) });
    }
  }
  return (problems ?? []).filter(({ pool }) => pool === undefined);
}

/** The broadcast domain of a subnet. */
function macDomain({ vlan, vpc, provider }: SubnetFact): string {
  if (!isOvnProvider(provider)) return `provider/${provider}`;
  return vlan === "" ? `vpc/${vpc}` : `vlan/${vlan}`;
}

/** Sets the addresses of nodes in IPAM. */
export function configureNodes(facts: FactStore, ipam: Ipam): void {
  const addresses = facts.all("nodes").flatMap((node) => {
    const { v4, v6 } = node.internal;
    return [v4, v6].flatMap((address) => (address === undefined ? [] : [{ address, node: node.name }]));
  });
  ipam.setNodeAddresses(addresses);
}
