// SPDX-License-Identifier: Apache-2.0

import { aclName, HAIRPIN_SOURCE, PROBE_NETWORK, UPLINKS_GROUP } from "../../api/names.ts";
import type { Dual } from "../../net/dual.ts";
import type { AclStage } from "../../policy/verdict.ts";
import { holdAcl } from "../acl-row.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { nodeGroupId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";

/** The tiers that are followed by another tier: OVN has four (ovn-nb(5), ACL `tier`). */
const TIERS_BEFORE_LAST = [0, 1, 2] as const;

/**
 * Adds the rules for all pods of a node while there are policies, as ACLs of the node's group, whose name is `group`.
 * @param own the addresses from which the node connects to pods: its trusted addresses, and those in the join subnet.
 *
 * **The pods' own node** reaches them whatever policies say, and they reach it whatever NetworkPolicies say, because kubelet's probes come from there
 * (NetworkPolicy, "The behavior of to and from selectors"). The priority is Kube-OVN's. The address alone is not trusted: the traffic comes through
 * the router, and no pod's switch lets a packet with a node's address out (`subnet-sources.ts`). In custom VPCs it comes from the address of
 * `PROBE_NETWORK`, which only a node's port has (`vpc-probe.ts`). Neighbour discovery of IPv6 needs no rule: ovn-northd allows it if there is any
 * `allow-related`.
 *
 * **A pod that reaches itself** through a Service has a source address from which no port may send. On its way out such a packet is turned back
 * before ACLs that apply after load balancing.
 *
 * **Explicit `pass`.** If no ACL of the first tier matches, OVN's own flow of priority 1 treats a packet of a blocked connection as allowed again and
 * lets it through, although a later tier drops it: every other packet of a connection that was cut gets through (northd 25.03, `ls_out_acl_eval`). A
 * `pass` of priority 0 comes before that flow. It must not be in the last tier, where that flow is right, so there is always a rule in the fourth. On
 * the way out ACLs of policies apply after load balancing, and there is no such flow.
 */
export function compileNodeAcls(
  build: FragmentBuilder,
  node: string,
  own: readonly Dual<string>[],
  group: string,
): void {
  const add = (
    name: string,
    stage: AclStage,
    tier: 0 | 1 | 2 | 3,
    priority: number,
    match: string,
    action: "allow-related" | "pass",
  ): void => {
    const port = stage === "to-lport" ? "outport" : "inport";
    holdAcl(build, "Port_Group", nodeGroupId(node), `node/${node}/${name}/${stage}/${tier}`, {
      name: aclName("node", node),
      stage,
      tier,
      priority,
      match: `${port} == @${group} && ${match}`,
      action,
      external_ids: externalIds({ node: node }),
    });
  };
  for (const [family, word] of [
    ["v4", "ip4"],
    ["v6", "ip6"],
  ] as const) {
    const addresses = own.flatMap((dual) => dual[family] ?? []);
    if (addresses.length === 0) continue;
    const nodes = `{${[...new Set(addresses)].sort().join(", ")}}`;
    const fromNode = `inport == @${UPLINKS_GROUP} && ${word}.src == ${nodes}`;
    const unspoofed = `{${HAIRPIN_SOURCE[family]}, ${PROBE_NETWORK[family].node}}`;
    for (const tier of [2, 3] as const) {
      add(word, "to-lport", tier, 3000, fromNode, "allow-related");
      add(`itself-${word}`, "to-lport", tier, 3000, `${word}.src == ${unspoofed}`, "allow-related");
    }
    // On the way out only NetworkPolicies, which are in the tier before (see `compileAcls`), and the baseline must be overridden for the node.
    // SecurityGroups and a subnet's rules are above these in their tiers, because they are in the same stage: what they do not allow does not reach
    // the node either.
    const toNode = `${word}.dst == ${nodes}`;
    add(word, "from-lport-after-lb", 1, 3000, toNode, "pass");
    add(word, "from-lport-after-lb", 2, 0, toNode, "allow-related");
    add(word, "from-lport-after-lb", 3, 1900, toNode, "allow-related");
  }
  for (const tier of TIERS_BEFORE_LAST) add("pass", "to-lport", tier, 0, "ip", "pass");
}
