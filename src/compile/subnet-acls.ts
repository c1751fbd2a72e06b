import { createHash } from "node:crypto";
import type { SubnetFact } from "../facts/types.ts";
import type { Dual } from "../net/dual.ts";
import { translateSubnetRules } from "../policy/subnet-rules.ts";
import type { FragmentBuilder } from "./fragment-builder.ts";
import { switchId } from "./owner-ids.ts";
import { externalIds } from "./rows.ts";

/**
 * Adds what a subnet's spec says about traffic to its switch. The id of an ACL is its content: what stays the same in a changed list is not
 * written, and equal ones are one.
 */
export function addAcls(build: FragmentBuilder, subnet: SubnetFact, joinCidr: Dual<string>): void {
  const { name } = subnet;
  for (const acl of translateSubnetRules(subnet, joinCidr).acls) {
    const { direction, priority, match, action, rule, log } = acl;
    const content = createHash("sha1").update(JSON.stringify([direction, priority, match, action]));
    const id = `subnet/${name}/${content.digest("hex").slice(0, 16)}`;
    if (build.has("ACL", id)) continue;
    build.held("Logical_Switch", switchId(name), "acls", "ACL", id, {
      // Under the subnet's name what it drops is found in logs, as in Kube-OVN.
      name: (log ? name : `subnet/${name}/${rule}`).slice(0, 63),
      direction,
      tier: 2,
      priority,
      match,
      action,
      options: {},
      log,
      severity: log ? "warning" : undefined,
      external_ids: externalIds({ policy: `subnet/${name}`, rule, subnet: name }),
    });
  }
}
