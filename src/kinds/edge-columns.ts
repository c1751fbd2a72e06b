// SPDX-License-Identifier: Apache-2.0

import type { EdgeColumn } from "../desired/edge-column.ts";

/** The sets and maps of the northbound database that edges feed: table → columns, see {@link EdgeColumn}. */
export const EDGE_COLUMNS: ReadonlyMap<string, readonly EdgeColumn[]> = new Map([
  [
    "Logical_Switch",
    [
      { column: "ports", exclusive: false },
      { column: "acls", exclusive: false },
      { column: "qos_rules", exclusive: false },
      { column: "load_balancer_group", exclusive: false },
    ],
  ],
  [
    "Logical_Router",
    [
      { column: "ports", exclusive: false },
      { column: "policies", exclusive: false },
      { column: "static_routes", exclusive: false },
      { column: "nat", exclusive: false },
      { column: "load_balancer", exclusive: false },
    ],
  ],
  ["Logical_Router_Port", [{ column: "gateway_chassis", exclusive: true }]],
  [
    "Port_Group",
    [
      { column: "ports", exclusive: true },
      { column: "acls", exclusive: true },
    ],
  ],
  ["Address_Set", [{ column: "addresses", exclusive: true }]],
  ["Load_Balancer", [{ column: "health_check", exclusive: true }]],
  ["Load_Balancer_Group", [{ column: "load_balancer", exclusive: true }]],
  // A map: its members are its entries.
  ["Chassis_Template_Var", [{ column: "variables", exclusive: true }]],
  ["HA_Chassis_Group", [{ column: "ha_chassis", exclusive: true }]],
  ["ACL", [{ column: "sample_new", exclusive: true }]],
  ["Sample", [{ column: "collectors", exclusive: true }]],
  ["Meter", [{ column: "bands", exclusive: true }]],
]);
