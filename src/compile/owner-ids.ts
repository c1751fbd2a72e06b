/**
 * The owner ids of rows that other units refer to. One owns the row; the others name it with the same function, so that
 * a reference is known before its row exists.
 */

/** The Logical_Router of a VPC. */
export const routerId = (vpc: string): string => vpc;

/** The Logical_Switch of a subnet. */
export const switchId = (subnet: string): string => subnet;

/** The Port_Group of a node's pods. */
export const nodeGroupId = (node: string): string => `node/${node}`;

/** The Port_Group of the switch ports towards the default VPC's router. */
export const UPLINKS_ID = "uplinks";

/** The Address_Set of all nodes' own addresses of one family. */
export const nodesSetId = (family: 4 | 6): string => `nodes/ip${family}`;

/** The Port_Group of a distributed subnet's pods on one node. */
export const subnetNodeGroupId = (subnet: string, node: string): string => `subnet/${subnet}/${node}`;

/** The Port_Group (or the Address_Sets) of a group that policies refer to. */
export const groupId = (name: string): string => `group/${name}`;

/** The Port_Group of a SecurityGroup, or of those who name any (`DENY_ALL_GROUP`). */
export const securityGroupId = (name: string): string => `sg/${name}`;

/** The Load_Balancer_Group of a VPC. */
export const loadBalancerGroupId = (vpc: string): string => `vpc/${vpc}`;

/** The Logical_Switch_Port of a pod's interface; the UID, so that a pod anew under an old name is a new port. */
export const podPortId = (port: string, uid: string): string => `${port}/${uid}`;

/** The DHCP_Options of a subnet for one family. */
export const dhcpOptionsId = (subnet: string, family: 4 | 6): string => `${subnet}/dhcpv${family}`;
