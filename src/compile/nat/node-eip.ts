// SPDX-License-Identifier: Apache-2.0

import { NODE } from "../../api/annotations.ts";
import { nodeEipPortName } from "../../api/names.ts";
import type { FactReader } from "../../facts/store.ts";
import type { SubnetFact } from "../../facts/subnet.ts";
import type { FactTypes } from "../../facts/types.ts";
import { dualValues } from "../../net/dual.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { nodeEipRouterId, routerPortId, switchId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";
import { readLocalnet } from "../subnet/subnet-localnet.ts";

type OvnEipFact = FactTypes["ovnEips"];

/** The node of an OvnEip of type `lsp`, which has its name. */
export interface NodeEip {
  /** Absent: no rows. */
  readonly chassis?: string;
  /** Why the node does not forward; absent if it does. */
  readonly problem?: { readonly reason: string; readonly message: string };
}

/** Reads the node of an OvnEip of type `lsp`. */
export function readNodeEip(reader: FactReader, { name }: OvnEipFact, subnet: SubnetFact): NodeEip {
  const node = reader.get("nodes", name);
  const no = (reason: string, message: string, more: object = {}): NodeEip => ({
    ...more,
    problem: { reason, message: `spec.type "lsp": ${message}; the address is reserved` },
  });
  if (node === undefined)
    return no("NodeNotFound", `the OvnEip is the next hop of the node with its name, and there is no node "${name}"`);
  const localnet = readLocalnet(reader, subnet);
  if (localnet === undefined) return no("NotExternal", `subnet "${subnet.name}" is not connected to a network outside`);
  const chassis = node.annotations[NODE.chassis];
  if (!chassis) return no("NodeNotReady", `node "${name}" has no chassis in OVN`);
  const state = reader.get("providerNodes", `${localnet.network}/${name}`)?.state;
  if (state === undefined || !("mtu" in state))
    return no("NodeNotConnected", `node "${name}" is not connected to ProviderNetwork "${localnet.network}"`, {
      chassis,
    });
  return { chassis };
}

/**
 * A router of the node alone, with one port: the OvnEip's addresses in the external subnet. What VPCs send to it, it sends on to the subnet's gateway.
 * It has no BFD: two OVN ends never bring a session up (docs/design/vpcs.md). Kube-OVN has an interface `ovnext0` of the node in a network namespace for that, and a program that answers BFD.
 */
export function addNodeEip(
  build: FragmentBuilder,
  { name, given }: OvnEipFact,
  { name: subnet, cidr, gateway }: SubnetFact,
  { chassis }: NodeEip,
): void {
  if (chassis === undefined || given === undefined) return;
  const router = nodeEipRouterId(name);
  const port = nodeEipPortName(name);
  const ids = externalIds();
  build.row("Logical_Router", router, {
    name: port,
    // Those of a VPC with a port in an external subnet, and the node that it is on.
    options: {
      ...{ chassis, always_learn_from_arp_request: "true", dynamic_neigh_routers: "true" },
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
  const switchPort = `${port}/switch`;
  build.held("Logical_Switch", switchId(subnet), "ports", "Logical_Switch_Port", switchPort, {
    ...{ name: switchPort, type: "router", addresses: ["router"], options: { "router-port": port } },
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
