// SPDX-License-Identifier: Apache-2.0

import { isObject } from "../collections/plain.ts";
import { type Ip, parseIp } from "../net/address.ts";
import { type Cidr, parseCidr } from "../net/cidr.ts";
import { parsePodCidr } from "./annotations.ts";
import {
  type Fields,
  invalidField,
  readBoolean,
  readDocument,
  readInteger,
  readList,
  readWord,
  writeDocument,
} from "./document.ts";

const GATEWAY_TYPES = ["distributed", "centralized"] as const;
const NAT_ACTIONS = ["nat", "forward"] as const;

/** An exception to `natOutgoing`: what its lists match is sent with the node's address (`nat`) or with its own (`forward`). An empty list matches all. */
export interface NatRule<C = Cidr> {
  readonly action: (typeof NAT_ACTIONS)[number];
  readonly source: readonly C[];
  readonly destination: readonly C[];
}

/** The router outside by which a subnet leaves: the next hop (one of each family at most) of a routing table of the node. */
export interface EgressGateway<A = Ip> {
  readonly gateways: readonly A[];
  readonly table: number;
  /** Of the rule that leads into the table. */
  readonly priority: number;
}

/** The same as it is written. */
export type EgressText = EgressGateway<string>;

/** A rule as it is written: its ranges are texts in canonical form. */
export type NatRuleText = NatRule<string>;

/**
 * What every node is to do for one subnet: annotation `SUBNET.nodeContract`. While a subnet has rows in OVN it stays as it is, whatever its
 * conditions say.
 */
export interface SubnetContract {
  /**
   * What nodes reach by `ovn0`: its ranges where it is accepted, on OVN and in the default VPC; otherwise none, and then the subnet is no
   * concern of the node's own network.
   */
  readonly cidrs: readonly Cidr[];
  /** What its pods send outside of the cluster leaves with the node's address. */
  readonly natOutgoing: boolean;
  /** From which addresses gateway nodes send it instead, each node from the one that it has. Daemons from before it ignore the field: the version stays. */
  readonly natSources?: readonly Ip[];
  /** The exceptions to that, if any; the first one that matches decides. Daemons from before them ignore the field: the version stays. */
  readonly natRules?: readonly NatRule[];
  /** Where what its pods send outside leaves the cluster, if not by the node's main table. Daemons from before it ignore the field: the version stays. */
  readonly egress?: EgressGateway;
  /** `distributed`: what its pods send outside leaves by their own node; `centralized`: by gateway nodes. */
  readonly gatewayType: (typeof GATEWAY_TYPES)[number];
  /** MTU of its pods' interfaces, in bytes; 0: the node's own. */
  readonly mtu: number;
  /** Which of a node's networks the tunnels of its pods use, by name. Absent: the node's default one. */
  readonly nodeNetwork?: string;
  /** Of a subnet of a custom VPC: nodes reach its pods for probes (`src/daemon/probes`). Daemons from before it ignore the field: the version stays. */
  readonly probe?: ProbedSubnet;
}

/** The VPC, and the ranges in which its pods' addresses are. */
export interface ProbedSubnet<C = Cidr> {
  readonly vpc: string;
  readonly cidrs: readonly C[];
}

/** A contract as it is written: its ranges are texts in canonical form. */
export type SubnetContractText = Omit<SubnetContract, "natSources" | "cidrs" | "natRules" | "egress" | "probe"> & {
  readonly cidrs: readonly string[];
  readonly probe?: ProbedSubnet<string>;
  readonly natSources?: readonly string[];
  readonly natRules?: readonly NatRuleText[];
  readonly egress?: EgressText;
};

/** The text of the annotation. */
export function encodeSubnetContract(contract: SubnetContractText): string {
  const { cidrs, natOutgoing, natSources = [], natRules = [], egress, gatewayType, mtu, nodeNetwork, probe } = contract;
  const further = {
    ...(natSources.length > 0 && { natSources }),
    ...(natRules.length > 0 && { natRules }),
    ...(egress && { egress }),
    ...(nodeNetwork && { nodeNetwork }),
    ...(probe && { probe }),
  };
  return writeDocument({ cidrs, natOutgoing, gatewayType, mtu, ...further });
}

/**
 * Reads what {@link encodeSubnetContract} has written.
 * @throws ContractError
 */
export function decodeSubnetContract(text: string): SubnetContract {
  const fields = readDocument(text);
  const natRules = readNatRules(fields);
  const egress = readEgress(fields);
  const { nodeNetwork } = fields;
  if (nodeNetwork !== undefined && typeof nodeNetwork !== "string") throw invalidField("nodeNetwork", "a name");
  const probe = readProbe(fields);
  return {
    cidrs: readList(fields, "cidrs", parsePodCidr, "a list of CIDRs, none of them of length 0"),
    natOutgoing: readBoolean(fields, "natOutgoing"),
    gatewayType: readWord(fields, "gatewayType", GATEWAY_TYPES),
    mtu: readInteger(fields, "mtu", [0, 65_535]),
    ...(fields["natSources"] !== undefined && {
      natSources: readList(fields, "natSources", parseIp, "a list of addresses"),
    }),
    ...(natRules.length > 0 && { natRules }),
    ...(egress && { egress }),
    ...(nodeNetwork && { nodeNetwork }),
    ...(probe && { probe }),
  };
}

/** The rules of a document; none where it has no such field. @throws ContractError */
function readNatRules({ natRules = [] }: Fields): readonly NatRule[] {
  if (!Array.isArray(natRules)) throw invalidField("natRules", "a list of rules");
  return natRules.map((rule: unknown) => {
    if (!isObject(rule)) throw invalidField("natRules", "a list of rules");
    return {
      action: readWord(rule, "action", NAT_ACTIONS),
      source: readList(rule, "source", parseCidr, "a list of CIDRs"),
      destination: readList(rule, "destination", parseCidr, "a list of CIDRs"),
    };
  });
}

/** @throws ContractError */
function readEgress({ egress }: Fields): EgressGateway | undefined {
  if (egress === undefined) return undefined;
  if (!isObject(egress)) throw invalidField("egress", "an object");
  return {
    gateways: readList(egress, "gateways", parseIp, "a list of addresses"),
    table: readInteger(egress, "table", [1, 0xffff_ffff]),
    priority: readInteger(egress, "priority", [1, 0xffff_ffff]),
  };
}

/** The VPC from which nodes probe; none where the document has no such field. @throws ContractError */
function readProbe({ probe }: Fields): ProbedSubnet | undefined {
  if (probe === undefined) return undefined;
  if (!isObject(probe) || typeof probe["vpc"] !== "string" || probe["vpc"] === "")
    throw invalidField("probe", "a VPC and its ranges");
  return {
    vpc: probe["vpc"],
    cidrs: readList(probe, "cidrs", parsePodCidr, "a list of CIDRs, none of them of length 0"),
  };
}
