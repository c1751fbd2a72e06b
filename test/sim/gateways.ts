// SPDX-License-Identifier: Apache-2.0

import { type ClusterView, DEFAULT_VPC_NAME, type SimulatedSubnet } from "./cluster-view.ts";
import type { NorthboundServer } from "./database-server.ts";
import { isHostile } from "./hostile.ts";
import type { SimulatedSouthbound } from "./southbound.ts";

/** The priority of policies for packets that leave the VPC. */
const PRIORITY = 29_000;

/** Subnets whose traffic leaves through a dead node although another of their gateway nodes is alive. */
export function leavesByDead(
  dead: string,
  picture: ClusterView,
  northbound: NorthboundServer,
  southbound: SimulatedSouthbound,
): string[] {
  const found = deadGateways(picture, northbound, southbound);
  const addresses = picture.ips.find((ip) => ip.name === `node-${dead}`)?.addresses ?? [];
  return found.filter((what) => addresses.some((address) => what.split(", not by")[0]?.includes(address)));
}

/** When settled: packets leave through living nodes, and no row names a chassis that is no node's. */
export function wrongGateways(
  picture: ClusterView,
  northbound: NorthboundServer,
  southbound: SimulatedSouthbound,
): string[] {
  return [...deadGateways(picture, northbound, southbound), ...staleChassis(picture, northbound)];
}

/**
 * Traffic of a centralized subnet leaves through all of its living gateway nodes, or the first of them. If none is alive anything is accepted. A living node is
 * joined, Ready, and its chassis is reachable for others.
 */
function deadGateways(picture: ClusterView, northbound: NorthboundServer, southbound: SimulatedSouthbound): string[] {
  const joins = new Map(
    picture.nodes.map(({ name }) => [name, picture.ips.find((ip) => ip.name === `node-${name}`)?.addresses ?? []]),
  );
  const policies = northbound.rows("Logical_Router_Policy").filter(({ priority }) => priority === PRIORITY);
  return picture.subnets.flatMap((subnet) => {
    const { name, accepted, onOvn, vpc, centralized, blocks, object } = subnet;
    if (!accepted || !onOvn || vpc !== DEFAULT_VPC_NAME || !centralized || isHostile(name) || isSplit(picture, subnet))
      return [];
    const { enableEcmp = false } = (object.spec ?? {}) as { enableEcmp?: boolean };
    const living = namesOf(subnet).filter((name) => {
      const isJoined = (joins.get(name) ?? []).length > 0;
      return isJoined && southbound.lives(name) && picture.nodes.find((node) => node.name === name)?.ready === true;
    });
    if (living.length === 0) return [];
    const active = enableEcmp ? living : living.slice(0, 1);
    const families = blocks.map(({ family }) => family);
    const wanted = active
      .flatMap((node) => joins.get(node) ?? [])
      .filter((address) => families.includes(address.includes(":") ? 6 : 4));
    const hops = policies
      .filter(({ external_ids }) => external_ids["subnet"] === name)
      .flatMap(({ nexthops }) => nexthops);
    if (wanted.toSorted().join() === hops.toSorted().join()) return [];
    return [
      `subnet ${name} leaves by ${hops.join() || "nothing"}, not by ${wanted.join()} of ${active.join()}, of which alone it is known that they live`,
    ];
  });
}

/**
 * Whether traffic of a centralized subnet's pods leaves through their own nodes: it has two gateway nodes, there are no other chassis, and one of them reports that it does not
 * reach the other.
 */
export function isSplit(picture: ClusterView, subnet: SimulatedSubnet): boolean {
  const chassis = new Set(picture.nodes.flatMap((node) => node.chassis ?? []));
  const named = namesOf(subnet).flatMap((name) => picture.nodes.filter((node) => node.name === name));
  const joined = named.filter(({ name }) =>
    picture.ips.some((ip) => ip.name === `node-${name}` && ip.addresses.length > 0),
  );
  const reports = joined.some(
    ({ unreachable }) => unreachable !== undefined && joined.some((other) => other.chassis === unreachable),
  );
  return subnet.centralized && chassis.size === 2 && joined.length === 2 && reports;
}

function namesOf({ object }: SimulatedSubnet): readonly string[] {
  const { gatewayNode = "" } = (object.spec ?? {}) as { gatewayNode?: string };
  return [...new Set(gatewayNode.split(",").map((node) => node.trim()))];
}

/**
 * Members of groups and variables of load balancers must be chassis that nodes report, because an unused chassis
 * claims nothing.
 */
function staleChassis(picture: ClusterView, northbound: NorthboundServer): string[] {
  const told = new Set(picture.nodes.map(({ chassis }) => chassis));
  const rows = [
    ...northbound
      .rows("HA_Chassis")
      .map(({ chassis_name }) => ({ what: "a member of a group", chassis: chassis_name })),
    ...northbound.rows("Chassis_Template_Var").map(({ chassis }) => ({ what: "a row of variables", chassis })),
  ];
  return rows.flatMap(({ what, chassis }) =>
    told.has(chassis) ? [] : [`${what} is of chassis ${chassis}, which no node is`],
  );
}
