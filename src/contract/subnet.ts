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

/**
 * An exception to `natOutgoing`: packets that its lists match are sent with the node's address (`nat`) or their own (`forward`). An empty list
 * matches all.
 */
export interface NatRule<C = Cidr> {
  readonly action: (typeof NAT_ACTIONS)[number];
  readonly source: readonly C[];
  readonly destination: readonly C[];
}

/** The external router of a subnet: the next hop (one of each family at most) of a routing table of the node. */
export interface EgressGateway<A = Ip> {
  readonly gateways: readonly A[];
  readonly table: number;
  /** The priority of the rule for the table. */
  readonly priority: number;
}

/** The same, to be written. */
export type EgressText = EgressGateway<string>;

/** A rule to be written: its ranges are canonical strings. */
export type NatRuleText = NatRule<string>;

/**
 * What every node must do for one subnet: annotation `SUBNET.nodeContract`. It does not change while the subnet has rows in OVN, whatever its
 * conditions are.
 */
export interface SubnetContract {
  /**
   * The ranges that nodes reach through `ovn0`: those of an accepted subnet on OVN in the default VPC; otherwise none, and the subnet does not
   * concern the node's own network.
   */
  readonly cidrs: readonly Cidr[];
  /** Packets of its pods to outside of the cluster leave with the node's address. */
  readonly natOutgoing: boolean;
  /**
   * The source addresses that gateway nodes use instead, each node the one that it has. Older daemons ignore the field, so the version is the same.
   */
  readonly natSources?: readonly Ip[];
  /** The exceptions to that; the first match decides. Older daemons ignore the field, so the version is the same. */
  readonly natRules?: readonly NatRule[];
  /**
   * The external router for packets to outside of the cluster, instead of the node's main table. Older daemons ignore the field, so the version is
   * the same.
   */
  readonly egress?: EgressGateway;
  /** `distributed`: packets to outside leave by the pod's own node; `centralized`: by gateway nodes. */
  readonly gatewayType: (typeof GATEWAY_TYPES)[number];
  /** MTU of its pods' interfaces, in bytes; 0: the node's own. */
  readonly mtu: number;
  /**
   * Name of the network outside that all packets of its pods go through, and no tunnels: its interface on the node has the MTU of pods. Older daemons ignore the field, so the
   * version is the same.
   */
  readonly network?: string;
  /** Name of the node's network that the tunnels of its pods use. Absent: the default one. */
  readonly nodeNetwork?: string;
  /**
   * For a subnet of a custom VPC: how nodes reach its pods for probes (`src/daemon/probes`). Older daemons ignore the field, so the version is the
   * same.
   */
  readonly probe?: ProbedSubnet;
}

/** The VPC and the ranges of its pods' addresses. */
export interface ProbedSubnet<C = Cidr> {
  readonly vpc: string;
  readonly cidrs: readonly C[];
}

/** A contract to be written: its ranges are canonical strings. */
export type SubnetContractText = Omit<SubnetContract, "natSources" | "cidrs" | "natRules" | "egress" | "probe"> & {
  readonly cidrs: readonly string[];
  readonly probe?: ProbedSubnet<string>;
  readonly natSources?: readonly string[];
  readonly natRules?: readonly NatRuleText[];
  readonly egress?: EgressText;
};

/** The text of the annotation. */
export function encodeSubnetContract(contract: SubnetContractText): string {
  const { cidrs, natOutgoing, natSources = [], natRules = [], egress, gatewayType, mtu } = contract;
  const { network, nodeNetwork, probe } = contract;
  const further = {
    ...(natSources.length > 0 && { natSources }),
    ...(natRules.length > 0 && { natRules }),
    ...(egress && { egress }),
    ...(network && { network }),
    ...(nodeNetwork && { nodeNetwork }),
    ...(probe && { probe }),
  };
  return writeDocument({ cidrs, natOutgoing, gatewayType, mtu, ...further });
}

/**
 * Parses the output of {@link encodeSubnetContract}.
 * @throws ContractError
 */
export function decodeSubnetContract(text: string): SubnetContract {
  const fields = readDocument(text);
  const natRules = readNatRules(fields);
  const egress = readEgress(fields);
  const [network, nodeNetwork] = [readName(fields, "network"), readName(fields, "nodeNetwork")];
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
    ...(network && { network }),
    ...(nodeNetwork && { nodeNetwork }),
    ...(probe && { probe }),
  };
}

/** @throws ContractError */
function readName(fields: Fields, field: string): string | undefined {
  const value = fields[field];
  if (value !== undefined && typeof value !== "string") throw invalidField(field, "a name");
  return value;
}

/** The rules of a document; none if it has no such field. @throws ContractError */
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

/** The VPC to probe; none if the document has no such field. @throws ContractError */
function readProbe({ probe }: Fields): ProbedSubnet | undefined {
  if (probe === undefined) return undefined;
  if (!isObject(probe) || typeof probe["vpc"] !== "string" || probe["vpc"] === "")
    throw invalidField("probe", "a VPC and its ranges");
  return {
    vpc: probe["vpc"],
    cidrs: readList(probe, "cidrs", parsePodCidr, "a list of CIDRs, none of them of length 0"),
  };
}
