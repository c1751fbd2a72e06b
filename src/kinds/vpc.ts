// SPDX-License-Identifier: Apache-2.0

import { vpcUnit } from "../compile/vpc/vpc.ts";
import { readFields } from "../facts/accepted.ts";
import { projectVpc } from "../facts/project-vpc.ts";
import type { VpcFact } from "../facts/vpc.ts";
import { VPCS } from "../kube/resources.ts";
import { ACL_COLUMNS, POLICY_COLUMNS, PORT_COLUMNS } from "./columns.ts";
import type { Kind } from "./kind.ts";

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly vpcs: VpcFact;
  }
  interface FactIndexes {
    readonly vpcs: "bfdPort" | "external";
  }
}

/** kubeovn.io/v1 Vpc. */
export const vpcKind: Kind<"vpcs"> = {
  facts: "vpcs",
  type: VPCS,
  project: (object, { router }) => projectVpc(object, router),
  indexes: {
    bfdPort: ({ bfdPort }) => (bfdPort === undefined ? [] : ["any"]),
    // By the names of the subnets.
    external: ({ externals }) => externals,
  },
  unit: vpcUnit,
  rows: {
    Logical_Router: ["name", "options", "external_ids", "ports", "static_routes", "policies"],
    Logical_Router_Port: [
      "name",
      "mac",
      "networks",
      "peer",
      "options",
      "ha_chassis_group",
      "gateway_chassis",
      "external_ids",
    ],
    Gateway_Chassis: ["name", "chassis_name", "priority", "external_ids"],
    HA_Chassis_Group: ["name", "ha_chassis", "external_ids"],
    HA_Chassis: ["chassis_name", "priority", "external_ids"],
    Logical_Router_Static_Route: [
      ...(["ip_prefix", "nexthop", "output_port", "policy", "route_table", "options", "bfd"] as const),
      "external_ids",
    ],
    Logical_Router_Policy: POLICY_COLUMNS,
    BFD: ["logical_port", "dst_ip", "min_tx", "min_rx", "detect_mult", "external_ids"],
    Load_Balancer_Group: ["name"],
    Port_Group: ["name", "external_ids", "acls"],
    Logical_Switch: ["name", "external_ids", "ports", "acls"],
    Logical_Switch_Port: PORT_COLUMNS,
    ACL: ACL_COLUMNS,
  },
  status: "subresource",
  remembers: (text) => readFields(text) !== undefined,
  access: {
    verbs: ["create", "patch"],
    why: "Watched; the default VPC is created at the first start; finalizers and records of the accepted configuration are patched.",
  },
};
