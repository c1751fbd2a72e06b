// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import { LABEL, labelValue } from "../../api/annotations.ts";
import { spell } from "../../api/composed-name.ts";
import { nodesAddressSet, routerPortName, routerSwitchPortName } from "../../api/names.ts";
import { addressConflictOf } from "../../claims/status-address-conflict.ts";
import { DEFAULT_EXTERNAL_SUBNET, EXTERNAL_GATEWAYS } from "../../facts/external.ts";
import { EXTERNAL_GATEWAY_CONFIG, type ExternalGatewayConfigFact } from "../../facts/external-config.ts";
import type { FactReader } from "../../facts/store.ts";
import type { SubnetFact } from "../../facts/subnet.ts";
import type { FactTypes } from "../../facts/types.ts";
import { isRouted, isUnderlay } from "../../facts/underlay.ts";
import type { VpcFact } from "../../facts/vpc.ts";
import { cidrsOverlap, parseCidr } from "../../net/cidr.ts";
import { type Dual, dualValues } from "../../net/dual.ts";
import type { Note, WeftEffect } from "../effects.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { addGatewayChassis } from "../gateway-chassis.ts";
import { externalRole, nameCollisionKey } from "../name-claims.ts";
import { appliedRulesOf } from "../nat/eip-rules.ts";
import { dropObject, makeObject, ownedBy } from "../owned-object.ts";
import { routerId, routerPortId, switchId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";
import { readLocalnet } from "../subnet/subnet-localnet.ts";
import { resolveNextHop } from "./policy-next-hop.ts";
import { type ConnectedRange, connectedRanges } from "./vpc-peerings.ts";

type OvnEipFact = FactTypes["ovnEips"];

/** The API server's limit for names of objects. */
const NAME_LIMIT = 253;

/** A router's port in an external subnet. */
export interface ExternalLink {
  readonly subnet: string;
  /** The ranges of the subnet, and the external routers. */
  readonly cidr: Dual<string>;
  readonly gateway: Dual<string>;
  /** The router's own addresses. */
  readonly address: Dual<string>;
  readonly mac: string;
  /** The chassis that may host it; the first one has the highest priority. */
  readonly chassis: readonly string[];
  /** Names of the port, and of its other end at the switch. */
  readonly port: string;
  readonly switchPort: string;
  /** The next hops of the VPC's static routes that are OvnEips of type `lsp` in the subnet. */
  readonly nodeHops: readonly string[];
}

/** A VPC's connections to external subnets. */
export interface Externals {
  readonly links: readonly ExternalLink[];
  /** Subnets whose OvnEip must be created. */
  readonly missing: readonly string[];
  /** OvnEips that were created for connections that are no longer wanted, and that no rule uses; and one that is to be created again. */
  readonly unused: readonly { readonly name: string; readonly uid: string }[];
  readonly notes: readonly Note[];
}

/** The OvnEip with the addresses of a VPC's port in an external subnet, as in Kube-OVN. */
export function externalEipName(vpc: string, subnet: string): string {
  return `${vpc}-${subnet}`;
}

/**
 * The VPC that an OvnEip is for: its router needs a port with the address. Undefined for an OvnEip that was created
 * for a former VPC of that name.
 */
export function portVpcOf(reader: FactReader, { name, subnet, type, makerUid }: OvnEipFact): string | undefined {
  if (type !== "lrp") return undefined;
  const isFor = (vpc: VpcFact): boolean =>
    externalEipName(vpc.name, subnet) === name && (makerUid === "" || makerUid === vpc.uid);
  return reader.by("vpcs", "external", subnet).find(isFor)?.name;
}

/** Reads a VPC's connections. An invalid connection is named in a note; the others work. */
export function readExternals(reader: FactReader, vpc: VpcFact): Externals {
  const links: ExternalLink[] = [];
  const notes: Note[] = [];
  const missing: string[] = [];
  const gone = vpc.deleting && reader.by("subnets", "vpc", vpc.name).length === 0;
  const wanted = gone ? [] : vpc.externals;
  const made = reader.by("ovnEips", "maker", vpc.uid);
  const isWanted = (eip: OvnEipFact): boolean =>
    wanted.some((subnet) => externalEipName(vpc.name, subnet) === eip.name);
  // What rules use is kept: once it is deleted, the connection cannot come back with its address before they are deleted, too.
  const hasRules = (eip: OvnEipFact): boolean =>
    Object.values(appliedRulesOf(reader, eip.name)).some((rules) => rules.length > 0);
  const unused = made
    .filter((eip) => !eip.deleting && ((!isWanted(eip) && !hasRules(eip)) || isOutdated(reader, vpc, eip)))
    .map(({ name, uid }) => ({ name, uid }));
  if (vpc.unusedExternals.length > 0) {
    const message = "spec.extraExternalSubnets has no effect without spec.enableExternal";
    notes.push({ reason: "ExternalNotEnabled", message });
  }
  if (wanted.length === 0) return { links, notes, missing, unused };
  const nodes = reader.get("externalGateways", EXTERNAL_GATEWAYS)?.nodes ?? [];
  const chassis = nodes.map((node) => node.chassis).sort((a, b) => (place(vpc.name, a) < place(vpc.name, b) ? -1 : 1));
  if (chassis.length === 0) {
    const message =
      "no node has the label ovn.kubernetes.io/external-gw=true and a chassis in OVN: the router has no port in external subnets";
    notes.push({ reason: "NoExternalGateway", message });
  }
  const ranges = connectedRanges(reader, vpc.name).map(({ subnet, cidr }) => ({ subnet, cidr }));
  for (const name of wanted) {
    const subnet = reader.get("subnets", name);
    const problem = unusable(reader, vpc.name, name, subnet) ?? overlapOf(name, subnet, ranges);
    if (problem !== undefined || subnet === undefined) {
      if (problem !== undefined) notes.push(problem);
      continue;
    }
    const of = { vpc, subnet };
    const eip = reader.get("ovnEips", externalEipName(vpc.name, name));
    if (eip === undefined) {
      // The connection would get no address.
      if (subnet.deleting) notes.push(notReady(name));
      else if (externalEipName(vpc.name, name).length > NAME_LIMIT) notes.push(nameTooLong(vpc.name, name));
      else missing.push(name);
      continue;
    }
    const address = addressesOf(reader, of, eip);
    if (!address.ok) {
      notes.push(address.note);
      continue;
    }
    ranges.push(...dualValues(subnet.cidr).map((cidr) => ({ subnet: name, cidr })));
    notes.push(...missingFamilies(eip.name, subnet, address.of));
    if (chassis.length === 0) continue;
    links.push({
      ...{ subnet: name, cidr: subnet.cidr, gateway: subnet.gateway, address: address.of, mac: address.mac, chassis },
      ...portNames(reader, vpc.name, name),
      nodeHops: nodeHops(reader, vpc, name),
    });
  }
  return { links, notes, missing, unused };
}

/** Whether the OvnEip of the default VPC's port was refused the addresses that it asks for, and the ConfigMap names others now, or none. */
function isOutdated(
  reader: FactReader,
  { isDefault }: VpcFact,
  { name, subnet, given, v4, v6, mac }: OvnEipFact,
): boolean {
  if (!isDefault || subnet !== DEFAULT_EXTERNAL_SUBNET || given !== undefined) return false;
  if (reader.get("verdicts", `ovnEip/${name}`)?.ok !== false) return false;
  const config = reader.get("externalGatewayConfigs", EXTERNAL_GATEWAY_CONFIG);
  const wanted = config?.enabled === true ? config : { v4: "", v6: "", mac: "" };
  return v4 !== wanted.v4 || v6 !== wanted.v6 || mac !== wanted.mac;
}

function nodeHops(reader: FactReader, { staticRoutes }: VpcFact, subnet: string): readonly string[] {
  const isNode = (address: string): boolean =>
    reader.by("ovnEips", "nodeAddress", address).some((eip) => eip.subnet === subnet);
  return [...new Set(staticRoutes.map(({ nextHopIp }) => nextHopIp))].filter(isNode).sort();
}

/** A VPC's connection to one external subnet; undefined if it has none. */
export function externalLink(reader: FactReader, vpc: string, subnet: string): ExternalLink | undefined {
  const fact = reader.get("vpcs", vpc);
  return fact && readExternals(reader, fact).links.find((link) => link.subnet === subnet);
}

/**
 * Adds the router's ports in external subnets and their other ends. Each is on the chassis with the highest priority
 * that the others reach by BFD (ovn-nb(5), Logical_Router_Port `gateway_chassis`). Packets from outside with a source
 * address of the VPC's own subnets, of its peers' subnets (`ranges`), or of nodes are dropped, because policies trust
 * such addresses.
 */
export function addExternalPorts(
  build: FragmentBuilder,
  { name: vpc, isDefault }: Pick<VpcFact, "name" | "isDefault">,
  links: readonly ExternalLink[],
  ranges: readonly ConnectedRange[],
): void {
  for (const { subnet, cidr, gateway, address, mac, chassis, port, switchPort } of links) {
    const networks = (["v4", "v6"] as const).flatMap((family) => {
      const [own, block] = [address[family], cidr[family]];
      return own === undefined || block === undefined ? [] : [`${own}/${block.split("/")[1]}`];
    });
    build.held("Logical_Router", routerId(vpc), "ports", "Logical_Router_Port", routerPortId(port), {
      name: port,
      mac,
      networks: networks.sort(),
      external_ids: externalIds(),
    });
    addGatewayChassis(build, port, chassis);
    build.held("Logical_Switch", switchId(subnet), "ports", "Logical_Switch_Port", routerPortId(switchPort), {
      name: switchPort,
      type: "router",
      addresses: ["router"],
      // The chassis that translates an address announces it by gratuitous ARP, when it begins to: routers outside may remember another MAC address for hours.
      options: { "router-port": port, "nat-addresses": "router" },
      external_ids: externalIds({ ls: subnet }),
    });
    for (const hop of dualValues(gateway)) resolveNextHop(build, vpc, hop);
    for (const family of [4, 6] as const) {
      const own = ranges.map((range) => range.cidr).filter((range) => range.includes(":") === (family === 6));
      const sources = [...own.sort(), ...(isDefault ? [`$${nodesAddressSet(family)}`] : [])];
      if (sources.length === 0) continue;
      const id = `${vpc}/external/${subnet}/sources/ip${family}`;
      build.held("Logical_Router", routerId(vpc), "policies", "Logical_Router_Policy", id, {
        priority: 32767,
        match: `inport == ${JSON.stringify(port)} && ip${family}.src == {${sources.join(", ")}}`,
        action: "drop",
        nexthops: [],
        external_ids: externalIds({ sources: `ip${family}` }),
      });
    }
  }
}

/** The effects that create the OvnEips of a VPC's ports, and delete those that are no longer used. `config`: the addresses that a port in the default subnet asks for. */
export function externalEffects(
  vpc: VpcFact,
  { missing, unused }: Externals,
  config?: ExternalGatewayConfigFact,
): readonly WeftEffect[] {
  return [
    ...missing.map((subnet) =>
      makeObject("ovnEips", {
        metadata: {
          name: externalEipName(vpc.name, subnet),
          labels: { [LABEL.subnet]: labelValue(subnet), [LABEL.ovnEipType]: "lrp", [LABEL.vpc]: labelValue(vpc.name) },
          ownerReferences: ownedBy("Vpc", vpc),
        },
        spec: {
          ...{ externalSubnet: subnet, type: "lrp" },
          ...(subnet === DEFAULT_EXTERNAL_SUBNET && config?.enabled === true && portRequest(config)),
        },
      }),
    ),
    ...unused.map((eip) => dropObject("ovnEips", eip)),
  ];
}

function portRequest({ v4, v6, mac }: ExternalGatewayConfigFact): Readonly<Record<string, string>> {
  return { ...(v4 !== "" && { v4Ip: v4 }), ...(v6 !== "" && { v6Ip: v6 }), ...(mac !== "" && { macAddress: mac }) };
}

/** The existing connections, for the status of their VPC. */
export function externalStatus(vpc: VpcFact, { links }: Externals): Readonly<Record<string, unknown>> {
  const subnets = links.map(({ subnet }) => subnet);
  const extra = subnets.filter((name) => name !== DEFAULT_EXTERNAL_SUBNET || vpc.externals.length > 1);
  return { enableExternal: subnets.length > 0, extraExternalSubnets: extra };
}

/** Why a subnet is not an external one; undefined if it is. */
function unusable(reader: FactReader, vpc: string, name: string, subnet: SubnetFact | undefined): Note | undefined {
  if (subnet === undefined)
    return {
      reason: "SubnetNotFound",
      message: `external subnet "${name}" does not exist: the router has no port in it`,
    };
  if (reader.get("verdicts", name)?.ok !== true) return notReady(name);
  const lack = isUnderlay(subnet) ? dualValues(subnet.cidr).length === 0 && "spec.cidrBlock" : "spec.vlan";
  if (lack !== false) {
    const message = `subnet "${name}" is not an external subnet (it has no ${lack}): the router has no port in it`;
    return { reason: "NotExternal", message };
  }
  if (subnet.vpc === vpc && isRouted(subnet)) {
    const message = `subnet "${name}" has u2oInterconnection: the router has a port in it already, and none for an external subnet`;
    return { reason: "NotExternal", message };
  }
  return readLocalnet(reader, subnet) === undefined ? notReady(name) : undefined;
}

/** The families of an external subnet that the port does not have: the subnet has got them later, or the port asks for an address of the other one only. */
function missingFamilies(eip: string, { name, cidr }: SubnetFact, has: Dual<string>): readonly Note[] {
  return (["v4", "v6"] as const).flatMap((family) => {
    if (cidr[family] === undefined || has[family] !== undefined) return [];
    const ip = family === "v4" ? "IPv4" : "IPv6";
    const message = `OvnEip "${eip}" has no ${ip} address: the router has none in external subnet "${name}", and the ${ip} addresses of the subnet do not lead to the VPC; disconnect the VPC from the subnet until the OvnEip is gone, and connect it again`;
    return [{ reason: "FamilyMissing", message }];
  });
}

function notReady(subnet: string): Note {
  const message = `external subnet "${subnet}" is not ready (see its conditions), or is being deleted: the router has no port in it`;
  return { reason: "SubnetNotReady", message };
}

function nameTooLong(vpc: string, subnet: string): Note {
  const { length } = externalEipName(vpc, subnet);
  const message = `the OvnEip <vpc>-<subnet> for external subnet "${subnet}" would have a name of ${length} characters, of which ${NAME_LIMIT} are possible: the router has no port in the subnet; use a shorter name for the Vpc or the Subnet`;
  return { reason: "NameTooLong", message };
}

function overlapOf(
  name: string,
  subnet: SubnetFact | undefined,
  ranges: readonly { readonly subnet: string; readonly cidr: string }[],
): Note | undefined {
  for (const cidr of dualValues(subnet?.cidr ?? {})) {
    const block = parseCidr(cidr);
    const other = ranges.find((range) => {
      const theirs = parseCidr(range.cidr);
      return block !== undefined && theirs !== undefined && cidrsOverlap(block, theirs);
    });
    if (other === undefined) continue;
    const message = `external subnet "${name}" (${cidr}) overlaps subnet "${other.subnet}" (${other.cidr}) of the VPC: the router has no port in it`;
    return { reason: "ExternalSubnetConflict", message };
  }
  return undefined;
}

type PortAddresses =
  | { readonly ok: true; readonly of: Dual<string>; readonly mac: string }
  | { readonly ok: false; readonly note: Note };

function addressesOf(
  reader: FactReader,
  { vpc, subnet }: { readonly vpc: VpcFact; readonly subnet: SubnetFact },
  eip: OvnEipFact,
): PortAddresses {
  const no = (reason: string, why: string): PortAddresses => ({
    ok: false,
    note: {
      reason,
      message: `OvnEip "${eip.name}" ${why}: the router has no port in external subnet "${subnet.name}"`,
    },
  });
  if (eip.type !== "lrp" || eip.subnet !== subnet.name)
    return no("AddressNameTaken", `is of type ${eip.type} in subnet "${eip.subnet}", not of the port`);
  const other = eip.makerUid !== "" && eip.makerUid !== vpc.uid;
  if (other) return no("AddressNameTaken", "was created for another VPC");
  const { given } = eip;
  if (given === undefined) return no("AddressPending", "has no address yet (see its condition)");
  if (addressConflictOf(reader, `ovnEip/${eip.name}`) !== undefined)
    return no("AddressInUse", "has another object's address");
  const of = { ...(given.v4 !== "" && { v4: given.v4 }), ...(given.v6 !== "" && { v6: given.v6 }) };
  return { ok: true, of, mac: given.mac };
}

function portNames(reader: FactReader, vpc: string, subnet: string): Pick<ExternalLink, "port" | "switchPort"> {
  const taken = reader.get("nameCollisions", nameCollisionKey.vpc(vpc))?.taken ?? {};
  return {
    port: spell(routerPortName(vpc, subnet), taken[externalRole.router(subnet)] !== undefined),
    switchPort: spell(routerSwitchPortName(subnet, vpc), taken[externalRole.switch(subnet)] !== undefined),
  };
}

/** The order of chassis, as in Kube-OVN, so that VPCs are spread over them. */
function place(vpc: string, chassis: string): string {
  return createHash("sha256").update(`${vpc}${chassis}`).digest("hex");
}
