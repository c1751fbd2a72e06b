// SPDX-License-Identifier: Apache-2.0

import { NODE } from "../api/annotations.ts";
import { DEFAULT_VPC } from "../api/names.ts";
import { type Ip, parseIp } from "../net/address.ts";
import type { Cidr } from "../net/cidr.ts";
import { type Dual, dualValues } from "../net/dual.ts";
import { parseMac } from "../net/mac.ts";
import { type PortRange, parsePortRange, portRangeText } from "../net/port-range.ts";
import {
  type Annotations,
  invalidAnnotation,
  parsePodCidr,
  readCsv,
  type WantedAnnotations,
  writeDual,
} from "./annotations.ts";
import { ContractError, type Fields, invalidField, readDocument, readList, writeDocument } from "./document.ts";
import { type NodeNetworks, readNodeNetworks } from "./node-networks.ts";
import { type KeptVlans, type NodeUplinks, readKeptVlans, readUplinkNames, readUplinks } from "./uplinks.ts";

/**
 * What one node must do: how it joins the default VPC, in Kube-OVN's annotations of the Node, and the settings of the cluster that nodes and
 * controller must agree on, in a versioned document (`NODE.contract`).
 */
export interface NodeContract {
  readonly mac: string;
  /** Its addresses in the join subnet, at least one, each with the subnet's range of its family. */
  readonly addresses: readonly { readonly ip: Ip; readonly cidr: Cidr }[];
  /** The join subnet's gateways: next hops to the subnets. */
  readonly gateways: readonly Ip[];
  /** The node's source addresses towards pods, see `NODE.source`. */
  readonly sources: readonly Ip[];
  /** Name of the join subnet. */
  readonly joinSubnet: string;
  /** The range of node ports of Services. Absent: the controller has not written it. */
  readonly nodePorts?: PortRange;
  /** Its additional networks and its address in each. */
  readonly networks: NodeNetworks;
  /** Its interfaces to networks outside. Absent: the controller has not written it, and what there is stays. */
  readonly uplinks?: NodeUplinks;
  /** The networks whose interface is a VLAN sub-interface that the daemon creates if there is none. Older daemons ignore the field. */
  readonly vlanUplinks?: readonly string[];
  /** The networks whose interface exchanges its name with the bridge. Older daemons ignore the field. */
  readonly exchangedUplinks?: readonly string[];
  /** The VLAN sub-interfaces that ports replace. Older daemons ignore the field. */
  readonly keptVlans?: KeptVlans;
  /** How it reaches Services through OVN, for its own packets and those from outside. Absent: kube-proxy does that. */
  readonly services?: NodeServices;
}

/** How a node reaches Services through OVN. */
export interface NodeServices {
  /** The MAC of its port on the switch of Services, whose name is `portName`. */
  readonly mac: string;
  readonly portName: string;
  /** The source addresses, one of each family at most; no interface has them. */
  readonly sources: readonly Ip[];
  /** The next hops to Services. */
  readonly gateways: readonly Ip[];
  /** The Services' ranges. */
  readonly cidrs: readonly Cidr[];
  /** Name of the VPC of nodes: they do not reach Services of other VPCs. */
  readonly vpc: string;
}

/** A contract to be written: addresses are canonical strings. */
export interface NodeContractText {
  readonly mac: string;
  readonly addresses: Dual<string>;
  readonly cidr: Dual<string>;
  readonly gateway: Dual<string>;
  readonly sources: Dual<string>;
  readonly joinSubnet: string;
  /** Name of its port on the join switch. */
  readonly portName: string;
  readonly nodePorts?: PortRange;
  /** Absent if there are none and were none. */
  readonly networks?: NodeNetworks;
  /** Absent where there are none and were none. */
  readonly uplinks?: NodeUplinks;
  /** Absent where there are none. */
  readonly vlanUplinks?: readonly string[];
  /** Absent where there are none. */
  readonly exchangedUplinks?: readonly string[];
  /** Absent where there are none. */
  readonly keptVlans?: KeptVlans;
  readonly services?: NodeServicesText;
}

/** {@link NodeServices} to be written. */
export interface NodeServicesText {
  readonly mac: string;
  readonly portName: string;
  readonly sources: Dual<string>;
  readonly gateways: Dual<string>;
  /** The ranges of Services, canonical. */
  readonly cidrs: readonly string[];
  readonly vpc: string;
}

/** The annotations of a Node. */
export function encodeNodeContract(of: NodeContractText): WantedAnnotations {
  const sources = writeDual(of.sources);
  return {
    [NODE.allocated]: "true",
    [NODE.ipAddress]: writeDual(of.addresses),
    [NODE.macAddress]: of.mac,
    [NODE.cidr]: writeDual(of.cidr),
    [NODE.gateway]: writeDual(of.gateway),
    [NODE.logicalSwitch]: of.joinSubnet,
    [NODE.portName]: of.portName,
    [NODE.source]: sources === "" ? undefined : sources,
    ...((of.nodePorts || of.networks || of.uplinks || of.services) && { [NODE.contract]: writeSettings(of) }),
  };
}

function writeSettings(of: NodeContractText): string {
  const { nodePorts, networks = {}, uplinks, vlanUplinks = [], exchangedUplinks = [], keptVlans = {}, services } = of;
  return writeDocument({
    ...(nodePorts && { nodePorts: portRangeText(nodePorts) }),
    ...(Object.keys(networks).length > 0 && { networks }),
    ...(uplinks && { uplinks }),
    ...(vlanUplinks.length > 0 && { vlanUplinks }),
    ...(exchangedUplinks.length > 0 && { exchangedUplinks }),
    ...(Object.keys(keptVlans).length > 0 && { keptVlans }),
    ...(services && {
      serviceMac: services.mac,
      servicePort: services.portName,
      serviceSources: dualValues(services.sources),
      serviceGateways: dualValues(services.gateways),
      serviceRanges: services.cidrs,
      serviceVpc: services.vpc,
    }),
  });
}

/** The networks that a node's contract contains; none if the contract is invalid. */
export function acceptedNetworks(annotations: Annotations): NodeNetworks {
  const text = annotations[NODE.contract];
  try {
    return text === undefined ? {} : readNetworks(readDocument(text)["networks"]);
  } catch (error) {
    if (error instanceof ContractError) return {};
    throw error;
  }
}

/** The interfaces to networks outside in a node's contract; undefined if it has none or cannot be read. */
export function acceptedUplinks(annotations: Annotations): NodeUplinks | undefined {
  const text = annotations[NODE.contract];
  try {
    const uplinks = text === undefined ? undefined : readDocument(text)["uplinks"];
    return uplinks === undefined ? undefined : readUplinks(uplinks);
  } catch (error) {
    if (error instanceof ContractError) return undefined;
    throw error;
  }
}

/**
 * Parses the output of {@link encodeNodeContract}; `undefined` if the controller has not allocated an address to the node yet.
 * @throws ContractError
 */
export function decodeNodeContract(annotations: Annotations): NodeContract | undefined {
  const list = <T>(name: string, parse: (text: string) => T | undefined, why: string): readonly T[] =>
    readCsv(annotations, name, parse, why);
  const ips = list(NODE.ipAddress, parseIp, "is not a list of addresses");
  if (ips.length === 0) return undefined;
  const mac = parseMac(annotations[NODE.macAddress] ?? "");
  if (mac === undefined) throw invalidAnnotation(annotations, NODE.macAddress, "is not a valid MAC address");
  const cidrs = list(NODE.cidr, parsePodCidr, "is not a list of subnets other than /0");
  const addresses = ips.map((ip) => {
    const cidr = cidrs.find(({ family }) => family === ip.family);
    if (cidr === undefined)
      throw invalidAnnotation(annotations, NODE.cidr, `has no subnet of the family of ${ip.text}`);
    return { ip, cidr };
  });
  const settings = annotations[NODE.contract];
  const document = settings === undefined ? {} : readDocument(settings);
  const nodePorts = document["nodePorts"] === undefined ? undefined : readNodePorts(document["nodePorts"]);
  const services = readServices(document);
  return {
    mac,
    addresses,
    gateways: list(NODE.gateway, parseIp, "is not a list of addresses"),
    sources: list(NODE.source, parseIp, "is not a list of addresses"),
    joinSubnet: annotations[NODE.logicalSwitch] ?? "",
    ...(nodePorts && { nodePorts }),
    ...(services && { services }),
    ...(document["uplinks"] !== undefined && { uplinks: readUplinks(document["uplinks"]) }),
    ...readUplinkNames(document, "vlanUplinks"),
    ...readUplinkNames(document, "exchangedUplinks"),
    ...readKeptVlans(document["keptVlans"]),
    networks: readNetworks(document["networks"]),
  };
}

function readNetworks(value: unknown): NodeNetworks {
  const read = readNodeNetworks(value === undefined ? undefined : JSON.stringify(value));
  if (read.ok && read.problems.length === 0) return read.networks;
  throw invalidField("networks", "an object of addresses by the names of networks");
}

function readServices(fields: Fields): NodeServices | undefined {
  if (fields["serviceSources"] === undefined) return undefined;
  // Older controllers without the field support the default name only.
  const { serviceMac, servicePort, serviceVpc = DEFAULT_VPC } = fields;
  const mac = typeof serviceMac === "string" ? parseMac(serviceMac) : undefined;
  if (mac === undefined) throw invalidField("serviceMac", "a MAC address");
  if (typeof servicePort !== "string" || servicePort === "") throw invalidField("servicePort", "a name");
  if (typeof serviceVpc !== "string" || serviceVpc === "") throw invalidField("serviceVpc", "a name");
  return {
    mac,
    portName: servicePort,
    vpc: serviceVpc,
    gateways: readList(fields, "serviceGateways", parseIp, "a list of addresses"),
    sources: readList(fields, "serviceSources", parseIp, "a list of addresses"),
    cidrs: readList(fields, "serviceRanges", parsePodCidr, "a list of CIDRs other than /0"),
  };
}

function readNodePorts(nodePorts: unknown): PortRange {
  const range = typeof nodePorts === "string" ? parsePortRange(nodePorts) : undefined;
  if (range === undefined) throw invalidField("nodePorts", "a range of ports such as 30000-32767");
  return range;
}
