// SPDX-License-Identifier: Apache-2.0

import { bfdPortName, PROBE_NETWORK } from "../../api/names.ts";
import { stableMac } from "../../desired/identity.ts";
import type { BfdPortFact, VpcFact } from "../../facts/vpc.ts";
import { textContains } from "../../net/cidr.ts";
import { type Dual, dualValues } from "../../net/dual.ts";
import { selectorProblem } from "../../policy/labels.ts";
import type { PolicyProblem } from "../../policy/types.ts";
import type { Note } from "../effects.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { bfdRouterId, routerId, routerPortId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";
import type { ExternalLink } from "./vpc-external.ts";
import type { ConnectedRange, PeeringLink } from "./vpc-peerings.ts";

/** The switch at which a VPC's BFD port is connected to its router. */
export interface BfdLink {
  /** Owner id of the switch. */
  readonly holder: string;
  /** The port of the VPC's router there, and its addresses. */
  readonly routerPort: string;
  readonly gateway: Dual<string>;
}

/** The highest one (ovn-nb(5), Logical_Router_Policy `priority`). */
const PRIORITY = 32767;

/** What the BFD port of a VPC is compiled from. */
interface BfdInput {
  readonly vpc: VpcFact;
  readonly bfdLink: BfdLink;
  readonly bfdNodes: BfdPortFact["nodes"];
  readonly ranges: readonly ConnectedRange[];
  readonly peerRanges: readonly ConnectedRange[];
  readonly peerings: { readonly links: readonly PeeringLink[] };
  readonly externals: { readonly links: readonly Pick<ExternalLink, "subnet" | "cidr">[] };
}

/** What may use an address of the router already. */
type Networks = Pick<BfdInput, "ranges" | "peerRanges" | "peerings" | "externals">;

/**
 * The router port from which a VPC's BFD sessions start, and the HA_Chassis_Group of the nodes that may host it; the first node has the highest
 * priority. `tables` are the routing tables of the VPC's router, with the main one ("").
 *
 * It is the only port of a router of its own. ovn-controller sends BFD only from a port with a peer (`bfd_monitor_run` in pinctrl.c, 25.03), and northd
 * has answers handled on the chassis where they reach the router of the port: at the VPC's own router that would be the chassis of the pod that
 * answers. The switch of `bfdLink` sends what is for the port to the chassis that hosts it (`peer_needs_cr_port_creation` in northd.c, 25.03).
 */
export function addBfdPort(build: FragmentBuilder, input: BfdInput, tables: ReadonlySet<string>): void {
  const addresses = addressesOf(input);
  if (addresses.length === 0) return;
  const { name } = input.vpc;
  const port = bfdPortName(name);
  const router = bfdRouterId(name);
  const ids = externalIds({ vpc: name });
  const group = `bfd/${name}`;
  const made = build.row("HA_Chassis_Group", group, { name: port, external_ids: externalIds({ lrp: port }) });
  for (const [i, { chassis }] of input.bfdNodes.entries()) {
    build.held("HA_Chassis_Group", group, "ha_chassis", "HA_Chassis", `${group}/${chassis}`, {
      chassis_name: chassis,
      priority: Math.max(1, 100 - i),
      external_ids: externalIds(),
    });
  }
  build.row("Logical_Router", router, { name: port, external_ids: ids });
  build.held("Logical_Router", router, "ports", "Logical_Router_Port", routerPortId(port), {
    name: port,
    mac: stableMac(`bfd/${name}`),
    networks: addresses.map(hostCidr).sort(),
    ha_chassis_group: made.uuid,
    external_ids: ids,
  });
  const switchPort = `${port}/switch`;
  build.held("Logical_Switch", input.bfdLink.holder, "ports", "Logical_Switch_Port", switchPort, {
    name: switchPort,
    type: "router",
    addresses: ["router"],
    options: { "router-port": port },
    external_ids: ids,
  });
  for (const address of addresses) addRoutes(build, input, address, tables);
}

/** The ways between the VPC's router and the port, which nothing in the VPC's spec comes before. */
function addRoutes(
  build: FragmentBuilder,
  { vpc, bfdLink }: BfdInput,
  address: string,
  tables: ReadonlySet<string>,
): void {
  const v6 = address.includes(":");
  const gateway = v6 ? bfdLink.gateway.v6 : bfdLink.gateway.v4;
  if (gateway === undefined) return;
  const port = bfdPortName(vpc.name);
  const ids = externalIds({ vpc: vpc.name });
  const route = (router: string, id: string, prefix: string, hop: string, out: string, table: string): void =>
    void build.held("Logical_Router", router, "static_routes", "Logical_Router_Static_Route", id, {
      ...{ ip_prefix: prefix, nexthop: hop, output_port: out, policy: "dst-ip", route_table: table },
      external_ids: ids,
    });
  route(bfdRouterId(vpc.name), `${port}/out/${address}`, v6 ? "::/0" : "0.0.0.0/0", gateway, port, "");
  for (const table of tables)
    route(routerId(vpc.name), `${port}/in/${address}/${table}`, hostCidr(address), address, bfdLink.routerPort, table);
  const match = `${v6 ? "ip6" : "ip4"}.dst == ${address}`;
  const id = `${port}/policy/${address}`;
  build.held("Logical_Router", routerId(vpc.name), "policies", "Logical_Router_Policy", id, {
    ...{ priority: PRIORITY, match, action: "allow", nexthops: [] },
    external_ids: ids,
  });
}

/** Why the port cannot be created. The projection has validated its address. */
export function bfdProblems({ vpc, ...networks }: Pick<BfdInput, "vpc"> & Networks): readonly PolicyProblem[] {
  const read = vpc.problems.filter(({ path }) => path.startsWith("spec.bfdPort"));
  const { ip = {}, nodeSelector = {} } = vpc.bfdPort ?? {};
  const found = dualValues(ip).flatMap((address) => {
    const use = useOf(networks, address);
    if (use === undefined) return [];
    const message = `${address} is ${use}; choose an address that is not used in the VPC; the port does not exist`;
    return [{ path: "spec.bfdPort.ip", reason: "InvalidBfdPort", message }];
  });
  const unclear = selectorProblem(nodeSelector);
  const message = `${unclear}; no node hosts the port`;
  return [
    ...read,
    ...found,
    ...(unclear === undefined ? [] : [{ path: "spec.bfdPort.nodeSelector", reason: "InvalidSelector", message }]),
  ];
}

/** Warnings for users of the port. */
export function bfdNotes(input: BfdInput): readonly Note[] {
  if (addressesOf(input).length === 0) return [];
  const none = {
    reason: "NoReadyGateway",
    message: "spec.bfdPort: no node that may host the port has a chassis in OVN",
  };
  const limited = addressesOf(input)
    .filter((address) => input.bfdLink.gateway[address.includes(":") ? "v6" : "v4"] === undefined)
    .map((address) => ({
      reason: "BfdPortLimited",
      message: `spec.bfdPort.ip: nothing reaches ${address}: the join subnet has no range of its IP family`,
    }));
  return [...(input.bfdNodes.length === 0 ? [none] : []), ...limited];
}

/** The port in the status of its VPC; empty fields if there is none. */
export function bfdStatus(input: BfdInput): Readonly<Record<string, unknown>> {
  const addresses = addressesOf(input);
  if (addresses.length === 0) return { name: "", ip: "", nodes: [] };
  return {
    name: bfdPortName(input.vpc.name),
    ip: addresses.join(","),
    nodes: input.bfdNodes.map(({ name }) => name),
  };
}

/** The port's addresses; none if there must be no port. */
function addressesOf({ vpc, ...networks }: Pick<BfdInput, "vpc"> & Networks): readonly string[] {
  const addresses = dualValues(vpc.bfdPort?.ip ?? {});
  return addresses.some((address) => useOf(networks, address) !== undefined) ? [] : addresses;
}

/** The present use of the address by the VPC's router or a peered VPC; undefined if none. */
function useOf({ ranges, peerRanges, peerings, externals }: Networks, address: string): string | undefined {
  const range = [...ranges, ...peerRanges].find(({ cidr }) => textContains(cidr, address));
  if (range !== undefined) return `in subnet ${range.subnet} (${range.cidr})`;
  for (const { remoteVpc, local } of peerings.links) {
    const link = dualValues(local).find(({ network }) => textContains(network, address));
    if (link !== undefined) return `on the link to VPC ${remoteVpc} (${link.network})`;
  }
  for (const { subnet, cidr } of externals.links) {
    const block = dualValues(cidr).find((range) => textContains(range, address));
    if (block !== undefined) return `in external subnet ${subnet} (${block})`;
  }
  const probes = Object.values(PROBE_NETWORK).find(({ cidr }) => textContains(cidr, address));
  return probes && `reserved for kubelet's probes (${probes.cidr})`;
}

function hostCidr(address: string): string {
  return `${address}/${address.includes(":") ? 128 : 32}`;
}
