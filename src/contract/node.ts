// SPDX-License-Identifier: Apache-2.0

import { NODE } from "../api/annotations.ts";
import { type Ip, parseIp } from "../net/address.ts";
import type { Cidr } from "../net/cidr.ts";
import type { Dual } from "../net/dual.ts";
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
import { ContractError, invalidField, readDocument, writeDocument } from "./document.ts";
import { type NodeNetworks, readNodeNetworks } from "./node-networks.ts";

/**
 * What one node is to do: how it joins the default VPC, in Kube-OVN's annotations of the Node, and those settings of the cluster that nodes and
 * controller must agree on, in a document with a version (`NODE.contract`).
 */
export interface NodeContract {
  readonly mac: string;
  /** Its addresses in the join subnet, at least one, each with the subnet's range of its family. */
  readonly addresses: readonly { readonly ip: Ip; readonly cidr: Cidr }[];
  /** The join subnet's gateways: next hops to the subnets. */
  readonly gateways: readonly Ip[];
  /** The node's own addresses from which it speaks to pods, see `NODE.source`. */
  readonly sources: readonly Ip[];
  /** Name of the join subnet. */
  readonly joinSubnet: string;
  /** Where node ports of Services are. Absent: the controller has not said. */
  readonly nodePorts?: PortRange;
  /** Its further networks and its address in each. */
  readonly networks: NodeNetworks;
}

/** A contract as it is written: addresses are texts in canonical form. */
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
  /** Absent where there are none and were none. */
  readonly networks?: NodeNetworks;
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
    ...((of.nodePorts || of.networks) && { [NODE.contract]: writeSettings(of) }),
  };
}

function writeSettings({ nodePorts, networks = {} }: NodeContractText): string {
  return writeDocument({
    ...(nodePorts && { nodePorts: portRangeText(nodePorts) }),
    ...(Object.keys(networks).length > 0 && { networks }),
  });
}

/** The networks that a node has been told to use; none where its contract cannot be read. */
export function acceptedNetworks(annotations: Annotations): NodeNetworks {
  const text = annotations[NODE.contract];
  try {
    return text === undefined ? {} : readNetworks(readDocument(text)["networks"]);
  } catch (error) {
    if (error instanceof ContractError) return {};
    throw error;
  }
}

/**
 * Reads what {@link encodeNodeContract} has written; `undefined` where the controller has not yet given the node an address.
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
  return {
    mac,
    addresses,
    gateways: list(NODE.gateway, parseIp, "is not a list of addresses"),
    sources: list(NODE.source, parseIp, "is not a list of addresses"),
    joinSubnet: annotations[NODE.logicalSwitch] ?? "",
    ...(nodePorts && { nodePorts }),
    networks: readNetworks(document["networks"]),
  };
}

function readNetworks(value: unknown): NodeNetworks {
  const read = readNodeNetworks(value === undefined ? undefined : JSON.stringify(value));
  if (read.ok && read.problems.length === 0) return read.networks;
  throw invalidField("networks", "an object of addresses by the names of networks");
}

function readNodePorts(nodePorts: unknown): PortRange {
  const range = typeof nodePorts === "string" ? parsePortRange(nodePorts) : undefined;
  if (range === undefined) throw invalidField("nodePorts", "a range of ports such as 30000-32767");
  return range;
}
