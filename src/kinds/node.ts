// SPDX-License-Identifier: Apache-2.0

import { NODE, ZONE_LABEL } from "../api/annotations.ts";
import { nodeClaims } from "../claims/node.ts";
import { chassisUnit } from "../compile/node/chassis.ts";
import { nodeUnit } from "../compile/node/node.ts";
import { claimedNetworkAddresses } from "../compile/node/node-networks.ts";
import type { NodeFact } from "../facts/node.ts";
import { projectNode } from "../facts/project-core.ts";
import { NODES } from "../kube/resources.ts";
import { ACL_COLUMNS, POLICY_COLUMNS, PORT_COLUMNS, QOS_COLUMNS } from "./columns.ts";
import type { Kind } from "./kind.ts";

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly nodes: NodeFact;
  }
  interface FactIndexes {
    readonly nodes: "internal" | "chassis" | "networks" | "zone";
  }
}

/** core/v1 Node. */
export const nodeKind: Kind<"nodes"> = {
  facts: "nodes",
  type: NODES,
  project: projectNode,
  indexes: {
    internal: ({ internal }) => Object.values(internal),
    chassis: ({ annotations }) => [annotations[NODE.chassis]],
    networks: claimedNetworkAddresses,
    zone: ({ labels }) => [labels[ZONE_LABEL] ?? ""],
  },
  unit: nodeUnit,
  roots: (old, now) =>
    [nodeUnit, chassisUnit].flatMap(({ name: kind }) => {
      const key = (now ?? old)?.key;
      return key === undefined ? [] : [{ kind, key }];
    }),
  rows: {
    Port_Group: ["name", "external_ids", "acls"],
    ACL: ACL_COLUMNS,
    Logical_Switch: ["ports", "qos_rules"],
    QoS: QOS_COLUMNS,
    Logical_Switch_Port: PORT_COLUMNS,
    Logical_Router: ["policies"],
    Logical_Router_Policy: POLICY_COLUMNS,
    Address_Set: ["addresses"],
    Chassis_Template_Var: ["chassis", "variables", "external_ids"],
  },
  claim: nodeClaims,
  access: {
    verbs: ["get", "patch"],
    status: true,
    why: "Watched; their addresses in the network are written to annotations. A condition says which address is not used, and why. (`get` is for weftctl.)",
  },
};
