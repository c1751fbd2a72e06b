// SPDX-License-Identifier: Apache-2.0

import type { Cidr } from "../net/cidr.ts";
import { parsePodCidr } from "./annotations.ts";
import { readBoolean, readDocument, readInteger, readList, readWord, writeDocument } from "./document.ts";

const GATEWAY_TYPES = ["distributed", "centralized"] as const;

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
  /** `distributed`: what its pods send outside leaves by their own node; `centralized`: by gateway nodes. */
  readonly gatewayType: (typeof GATEWAY_TYPES)[number];
  /** MTU of its pods' interfaces, in bytes; 0: the node's own. */
  readonly mtu: number;
}

/** A contract as it is written: its ranges are texts in canonical form. */
export type SubnetContractText = Omit<SubnetContract, "cidrs"> & { readonly cidrs: readonly string[] };

/** The text of the annotation. */
export function encodeSubnetContract({ cidrs, natOutgoing, gatewayType, mtu }: SubnetContractText): string {
  return writeDocument({ cidrs, natOutgoing, gatewayType, mtu });
}

/**
 * Reads what {@link encodeSubnetContract} has written.
 * @throws ContractError
 */
export function decodeSubnetContract(text: string): SubnetContract {
  const fields = readDocument(text);
  return {
    cidrs: readList(fields, "cidrs", parsePodCidr, "a list of CIDRs, none of them of length 0"),
    natOutgoing: readBoolean(fields, "natOutgoing"),
    gatewayType: readWord(fields, "gatewayType", GATEWAY_TYPES),
    mtu: readInteger(fields, "mtu", [0, 65_535]),
  };
}
