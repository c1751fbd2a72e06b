// SPDX-License-Identifier: Apache-2.0

import { bfdPortName, PROBE_NETWORK } from "../../api/names.ts";
import { stableMac } from "../../desired/identity.ts";
import type { BfdPortFact, VpcFact } from "../../facts/vpc.ts";
import { parseIp } from "../../net/address.ts";
import { cidrContains, parseCidr } from "../../net/cidr.ts";
import { dualValues } from "../../net/dual.ts";
import { selectorProblem } from "../../policy/labels.ts";
import type { PolicyProblem } from "../../policy/types.ts";
import type { Note } from "../effects.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { routerId, routerPortId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";
import type { ConnectedRange, PeeringLink } from "./vpc-peerings.ts";

/** What the BFD port of a VPC is compiled from. */
interface BfdInput {
  readonly vpc: VpcFact;
  readonly bfdNodes: BfdPortFact["nodes"];
  readonly ranges: readonly ConnectedRange[];
  readonly peerings: { readonly links: readonly PeeringLink[] };
}

/**
 * The router port from which a VPC's BFD sessions start, and the HA_Chassis_Group of the nodes that may host it; the first node has the highest
 * priority. `bfd-only` is an option of Kube-OVN's build of OVN, see {@link bfdNotes}.
 */
export function addBfdPort(build: FragmentBuilder, input: BfdInput): void {
  const addresses = addressesOf(input);
  if (addresses.length === 0) return;
  const { name } = input.vpc;
  const port = bfdPortName(name);
  const group = `bfd/${name}`;
  const made = build.row("HA_Chassis_Group", group, { name: port, external_ids: externalIds({ lrp: port }) });
  for (const [i, { chassis }] of input.bfdNodes.entries()) {
    build.held("HA_Chassis_Group", group, "ha_chassis", "HA_Chassis", `${group}/${chassis}`, {
      chassis_name: chassis,
      priority: Math.max(1, 100 - i),
      external_ids: externalIds(),
    });
  }
  build.held("Logical_Router", routerId(name), "ports", "Logical_Router_Port", routerPortId(port), {
    name: port,
    mac: stableMac(`bfd/${name}`),
    networks: addresses.map((ip) => `${ip}/${ip.includes(":") ? 128 : 32}`).sort(),
    options: { "bfd-only": "true" },
    ha_chassis_group: made.uuid,
    external_ids: externalIds(),
  });
}

/** Why the port cannot be created. The projection has validated its address. */
export function bfdProblems({ vpc, ...networks }: Omit<BfdInput, "bfdNodes">): readonly PolicyProblem[] {
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

/** What a user should know about the port. */
export function bfdNotes(input: BfdInput): readonly Note[] {
  if (addressesOf(input).length === 0) return [];
  const none = {
    reason: "NoReadyGateway",
    message: "spec.bfdPort: no node that may host the port has a chassis in OVN",
  };
  const limited = {
    reason: "BfdPortLimited",
    message:
      "spec.bfdPort: the port exists, but OVN as released has no option bfd-only and runs no BFD at a port that is connected to no switch",
  };
  return input.bfdNodes.length === 0 ? [none, limited] : [limited];
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
function addressesOf({ vpc, ...networks }: BfdInput): readonly string[] {
  const addresses = dualValues(vpc.bfdPort?.ip ?? {});
  return addresses.some((address) => useOf(networks, address) !== undefined) ? [] : addresses;
}

/** What the VPC's router has an address for already; undefined if nothing. */
function useOf({ ranges, peerings }: Pick<BfdInput, "ranges" | "peerings">, address: string): string | undefined {
  const range = ranges.find(({ cidr }) => isIn(cidr, address));
  if (range !== undefined) return `in subnet ${range.subnet} (${range.cidr})`;
  for (const { remoteVpc, local } of peerings.links) {
    const link = dualValues(local).find(({ network }) => isIn(network, address));
    if (link !== undefined) return `on the link to VPC ${remoteVpc} (${link.network})`;
  }
  const probes = Object.values(PROBE_NETWORK).find(({ cidr }) => isIn(cidr, address));
  return probes && `reserved for kubelet's probes (${probes.cidr})`;
}

function isIn(cidr: string, address: string): boolean {
  const [block, ip] = [parseCidr(cidr), parseIp(address)];
  return block !== undefined && ip !== undefined && cidrContains(block, ip);
}
