// SPDX-License-Identifier: Apache-2.0

import { aclName } from "../../api/names.ts";
import type { SubnetFact } from "../../facts/subnet.ts";
import type { Dual } from "../../net/dual.ts";
import { translateSubnetRules } from "../../policy/subnet-rules.ts";
import type { VirtualPortsIn } from "../../policy/virtual-ports.ts";
import { aclContent, holdAcl } from "../acl-row.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { switchId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";

/**
 * Adds the ACLs of a subnet's spec to its switch. The id of an ACL is a digest of its content: unchanged entries of a changed list are not written,
 * and equal entries are one row.
 */
export function addAcls(
  build: FragmentBuilder,
  subnet: SubnetFact,
  joinCidr: Dual<string>,
  virtualPorts: VirtualPortsIn,
): void {
  const { name } = subnet;
  for (const acl of translateSubnetRules(subnet, joinCidr, virtualPorts).acls) {
    const { direction, priority, match, action, rule, log } = acl;
    const id = `subnet/${name}/${aclContent([direction, priority, match, action], 16)}`;
    if (build.has("ACL", id)) continue;
    holdAcl(build, "Logical_Switch", switchId(name), id, {
      // Logs name the subnet for packets that it drops, as in Kube-OVN.
      name: log ? name : aclName("subnet", name, rule),
      // A connection is judged by its real destination (after load balancing), from its first packet to its last (ovn-nb(5), ACL options).
      stage: direction === "to-lport" ? direction : "from-lport-after-lb",
      tier: 2,
      priority,
      match,
      action,
      log,
      severity: log ? "warning" : undefined,
      external_ids: externalIds({ policy: `subnet/${name}`, rule, subnet: name }),
    });
  }
}
