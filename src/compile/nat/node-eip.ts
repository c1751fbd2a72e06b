// SPDX-License-Identifier: Apache-2.0

import { NODE } from "../../api/annotations.ts";
import { nodeEipPortName } from "../../api/names.ts";
import type { FactReader } from "../../facts/store.ts";
import type { SubnetFact } from "../../facts/subnet.ts";
import type { FactTypes } from "../../facts/types.ts";
import { dualValues } from "../../net/dual.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { addGatewayChassis } from "../gateway-chassis.ts";
import { nodeEipRouterId, routerPortId, switchId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";
import { readLocalnet } from "../subnet/subnet-localnet.ts";
import { isNodeConnected } from "./node-eip-chassis.ts";

type OvnEipFact = FactTypes["ovnEips"];

/** The node of an OvnEip of type `lsp`, which has its name. */
export interface NodeEip {
  /** The chassis that has the address, and those that take it over; without any there are no rows. */
  readonly chassis: readonly string[];
  /** Why the node itself does not forward; absent if it does. */
  readonly problem?: { readonly reason: string; readonly message: string };
}

/** Reads the node of an OvnEip of type `lsp`. */
export function readNodeEip(reader: FactReader, { name }: OvnEipFact, subnet: SubnetFact): NodeEip {
  const node = reader.get("nodes", name);
  const chassis = reader.get("nodeEipChassis", name)?.chassis ?? [];
  const rest = chassis.length === 0 ? "the address is reserved" : "another node forwards in its place";
  const no = (reason: string, message: string): NodeEip => ({
    chassis,
    problem: { reason, message: `spec.type "lsp": ${message}; ${rest}` },
  });
  if (node === undefined)
    return no("NodeNotFound", `the OvnEip is the next hop of the node with its name, and there is no node "${name}"`);
  const localnet = readLocalnet(reader, subnet);
  if (localnet === undefined) return no("NotExternal", `subnet "${subnet.name}" is not connected to a network outside`);
  if (!node.annotations[NODE.chassis]) return no("NodeNotReady", `node "${name}" has no chassis in OVN`);
  if (!isNodeConnected(reader.get("providerNodes", `${localnet.network}/${name}`)))
    return no("NodeNotConnected", `node "${name}" is not connected to ProviderNetwork "${localnet.network}"`);
  return { chassis };
}

/**
 * A router with one port: the OvnEip's addresses in the external subnet. What VPCs send to it, it sends on to the subnet's gateway. The port is on the node's chassis, and OVN moves it to another
 * one when the node fails, so a route through it needs no BFD session, which OVN would not bring up (docs/design/vpcs.md). Kube-OVN has an interface `ovnext0` of the node in a network namespace
 * for that, and a program that answers BFD.
 */
export function addNodeEip(
  build: FragmentBuilder,
  { name, given }: OvnEipFact,
  { name: subnet, cidr, gateway }: SubnetFact,
  { chassis }: NodeEip,
): void {
  if (chassis.length === 0 || given === undefined) return;
  const router = nodeEipRouterId(name);
  const port = nodeEipPortName(name);
  const ids = externalIds();
  build.row("Logical_Router", router, {
    name: port,
    // Those of a VPC with a port in an external subnet.
    options: {
      ...{ always_learn_from_arp_request: "true", dynamic_neigh_routers: "true" },
      mac_binding_age_threshold: "300",
    },
    external_ids: ids,
  });
  const networks = (["v4", "v6"] as const).flatMap((family) => {
    const [own, block] = [given[family], cidr[family]];
    return own === "" || block === undefined ? [] : [`${own}/${block.split("/")[1]}`];
  });
  build.held("Logical_Router", router, "ports", "Logical_Router_Port", routerPortId(port), {
    ...{ name: port, mac: given.mac, networks: networks.sort() },
    external_ids: ids,
  });
  addGatewayChassis(build, port, chassis);
  const switchPort = `${port}/switch`;
  build.held("Logical_Switch", switchId(subnet), "ports", "Logical_Switch_Port", switchPort, {
    ...{ name: switchPort, type: "router", addresses: ["router"] },
    // The chassis that takes the port over announces its MAC address, which switches outside have learned at another one.
    options: { "router-port": port, "nat-addresses": "router" },
    external_ids: externalIds({ ls: subnet }),
  });
  for (const hop of dualValues(gateway)) {
    const isV6 = hop.includes(":");
    if (given[isV6 ? "v6" : "v4"] === "") continue;
    const prefix = isV6 ? "::/0" : "0.0.0.0/0";
    build.held("Logical_Router", router, "static_routes", "Logical_Router_Static_Route", `${port}/${prefix}`, {
      ...{ ip_prefix: prefix, nexthop: hop, output_port: port, policy: "dst-ip", route_table: "" },
      external_ids: ids,
    });
  }
}
