// SPDX-License-Identifier: Apache-2.0

/**
 * The owner ids of rows that several units refer to. One unit owns the row; the others use the same function, so that
 * a reference is known before its row exists.
 */

import { NODE_PREFIX } from "../api/port-names.ts";
import { unitId } from "../desired/unit-kind.ts";
import type { PodFact } from "../facts/pod.ts";

/** The unit that owns the row of an owner id, for tables whose rows are referred to by other units; absent for other tables. */
export function ownerUnit(table: string, ownerId: string): string | undefined {
  const [first = "", second = ""] = ownerId.split("/");
  switch (table) {
    case "Logical_Router":
      // Names of VPCs have no slash.
      if (first === "eip" && second !== "") return unitId("ovneip", second);
      return unitId("vpc", first === "bfd" && second !== "" ? second : ownerId);
    case "Logical_Switch":
      // Switches of Subnets, whose names have no slash, and others.
      return (first === "vpc" || first === "gateway") && second !== ""
        ? unitId(first, second)
        : unitId("subnet", first);
    case "HA_Chassis_Group":
      return first === "gateway" ? unitId("gateway", second) : undefined;
    case "Load_Balancer_Group":
    case "Port_Group":
      if (second === "") return undefined;
      return unitId(first === "sg" ? "securitygroup" : first, second);
    case "Chassis_Template_Var":
      return unitId("chassis", ownerId);
    default:
      return undefined;
  }
}

/** The HA_Chassis_Group for the liveness of a gateway node. */
export const gatewayGroupId = (node: string): string => `gateway/${node}`;

/** The Logical_Switch of the port for the liveness of a gateway node, and that port. */
export const gatewaySwitchId = (node: string): string => `gateway/${node}`;

/** The Logical_Router of a VPC. */
export const routerId = (vpc: string): string => vpc;

/** The Logical_Router of a VPC's BFD port. */
export const bfdRouterId = (vpc: string): string => `bfd/${vpc}`;

/** The Logical_Router of a node in an external subnet: of an OvnEip of type `lsp`. */
export const nodeEipRouterId = (eip: string): string => `eip/${eip}`;

/** The Logical_Switch of a subnet. */
export const switchId = (subnet: string): string => subnet;

/**
 * The Logical_Switch by which nodes reach Services, owned by the unit of the join subnet: see `service-switch.ts`.
 * The id is also its name, which no subnet can have.
 */
export const serviceSwitchId = (join: string): string => `${join}/services`;

/** The Logical_Switch from which a VPC's pods are probed: see `vpc-probe.ts`. */
export const probeSwitchId = (vpc: string): string => `vpc/${vpc}/probe`;

/**
 * The Logical_Router_Port between a VPC's router and a subnet's switch, and the Logical_Switch_Port of the pair: by their literal names,
 * which are unique (fact `nameCollisions`). OVN has an index on these names, so a row with another id could not replace an existing one
 * until that is removed, and the subnet would be disconnected meanwhile.
 */
export const routerPortId = (name: string): string => name;

/**
 * The seed of the MAC of that router port. It does not depend on the port's name: pods cache their gateway's MAC. It is
 * unique among the subnets of a VPC.
 */
export const routerMacId = (vpc: string, subnet: string): string => `${vpc}-${subnet}`;

/** The Logical_Switch_Port of a node on the join switch, independent of its name. */
export const nodePortId = (node: string): string => `${NODE_PREFIX}${node}`;

/** The Logical_Switch_Port of a Vip. */
export const vipPortId = (vip: string): string => `vip/${vip}`;

/** The Port_Group of a node's pods. */
export const nodeGroupId = (node: string): string => `node/${node}`;

/** The Port_Group of the switch ports towards the default VPC's router. */
export const UPLINKS_ID = "uplinks";

/** The Chassis_Template_Var of a node. */
export const chassisVariablesId = (node: string): string => node;

/** The Address_Set of all nodes' own addresses of one family. */
export const nodesSetId = (family: 4 | 6): string => `nodes/ip${family}`;

/** The Address_Set of one family that `leavingAddressSet` describes. */
export const leavingSetId = (how: "distributed" | "nat" | "local", family: 4 | 6): string =>
  `leaving/${how}/ip${family}`;

/** The Port_Group (or the Address_Sets) of a group that policies refer to. */
export const groupId = (name: string): string => `group/${name}`;

/** The Address_Set of one family of a group without a Port_Group. */
export const groupSetId = (name: string, family: 4 | 6): string => `${groupId(name)}/ip${family}`;

/**
 * The Port_Group of a SecurityGroup, or of all ports with any (`DENY_ALL_GROUP`). A SecurityGroup's ports in a custom VPC are in one of that VPC
 * instead.
 */
export const securityGroupId = (name: string, vpc?: string): string =>
  vpc === undefined ? `sg/${name}` : `sg/${name}/${vpc}`;

/** The Port_Group of all pods' ports in a custom VPC. */
export const vpcPodsId = (vpc: string): string => `vpc/${vpc}/pods`;

/** The Load_Balancer_Group of a VPC. */
export const loadBalancerGroupId = (vpc: string): string => `vpc/${vpc}`;

/** The Load_Balancer_Group of a VPC that switches of external subnets do not have. */
export const insideBalancerGroupId = (vpc: string): string => `vpc/${vpc}/inside`;

/**
 * The Logical_Switch_Port of a pod's interface; by UID, so that a recreated pod has a new port. The port of a virtual
 * machine is the same for all of its pods: it must not be recreated while the virtual machine migrates from one pod
 * to the next.
 */
export const podPortId = (port: string, { uid, key, holder }: Pick<PodFact, "uid" | "key" | "holder">): string =>
  `${port}/${holder === key ? uid : "machine"}`;

/** The Logical_Switch_Port of a subnet's multicast querier. */
export const querierPortId = (subnet: string): string => `${subnet}/mcast-querier`;

/** The DHCP_Options of a subnet for one family. */
export const dhcpOptionsId = (subnet: string, family: 4 | 6): string => `${subnet}/dhcpv${family}`;
