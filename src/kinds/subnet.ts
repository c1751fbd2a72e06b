// SPDX-License-Identifier: Apache-2.0

import { subnetClaims } from "../claims/subnet-addresses.ts";
import { subnetUnit } from "../compile/subnet/subnet.ts";
import { readAcceptedSubnet } from "../facts/accepted.ts";
import { NOT_SUPPORTED } from "../facts/not-supported.ts";
import { projectSubnet } from "../facts/project-subnet.ts";
import type { SubnetSpecFact } from "../facts/subnet.ts";
import { SUBNETS } from "../kube/resources.ts";
import { ACL_COLUMNS, NEXT_HOP_COLUMNS, POLICY_COLUMNS, PORT_COLUMNS } from "./columns.ts";
import type { Kind } from "./kind.ts";

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly subnetSpecs: SubnetSpecFact;
  }
  interface FactIndexes {
    readonly subnetSpecs: "vpc";
  }
}

/** kubeovn.io/v1 Subnet. Its accepted configuration is derived from the specs of all subnets (`src/kinds/derived.ts`). */
export const subnetKind: Kind<"subnetSpecs"> = {
  facts: "subnetSpecs",
  type: SUBNETS,
  project: projectSubnet,
  indexes: { vpc: (subnet) => [subnet.vpc] },
  accepted: "subnets",
  unit: subnetUnit,
  claim: subnetClaims,
  rows: {
    Logical_Switch: ["name", "other_config", "external_ids", "ports", "acls", "load_balancer_group"],
    Logical_Switch_Port: [...PORT_COLUMNS, "tag"],
    Logical_Router: ["ports", "policies", "static_routes"],
    Logical_Router_Port: ["name", "mac", "networks", "ipv6_ra_configs", "options", "external_ids"],
    Logical_Router_Policy: POLICY_COLUMNS,
    Logical_Router_Static_Route: NEXT_HOP_COLUMNS,
    Port_Group: ["ports"],
    Address_Set: ["name", "external_ids", "addresses"],
    ACL: ACL_COLUMNS,
    DHCP_Options: ["cidr", "options", "external_ids"],
  },
  status: "subresource",
  notSupported: NOT_SUPPORTED.subnets,
  counters: {
    fields: {
      available: "availableIPs",
      using: "usingIPs",
      availableRange: "availableIPrange",
      usingRange: "usingIPrange",
    },
    of: (facts, ipam, name) => {
      const { v4, v6 } = ipam.usage(name);
      if (facts.get("verdicts", name)?.ok === true) return { ...(v4 && { v4 }), ...(v6 && { v6 }) };
      // A subnet that is not accepted has used addresses, but none to allocate.
      const closed = { available: 0n, availableRange: "" };
      return { ...(v4 && { v4: { ...v4, ...closed } }), ...(v6 && { v6: { ...v6, ...closed } }) };
    },
    changedBy: (_, subnet) => [subnet],
  },
  remembers: (text) => readAcceptedSubnet(text) !== undefined,
  access: {
    verbs: ["create", "patch"],
    why: "Watched; the default subnets are created at the first start; defaults, finalizers and records of the accepted configuration are patched.",
  },
};
