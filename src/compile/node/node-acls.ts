// SPDX-License-Identifier: Apache-2.0

import { aclName, HAIRPIN_SOURCE, PROBE_NETWORK, UPLINKS_GROUP } from "../../api/names.ts";
import type { Dual } from "../../net/dual.ts";
import type { AclStage } from "../../policy/verdict.ts";
import { holdAcl } from "../acl-row.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { nodeGroupId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";

/** The tiers that are followed by another one: OVN has four (ovn-nb(5), ACL `tier`). */
const TIERS_BEFORE_LAST = [0, 1, 2] as const;

/**
 * What holds for all pods of a node while there are policies, as ACLs of the node's group, whose name is `group`.
 * @param own the addresses from which the node speaks to pods: those of its own that count, and those in the join subnet.
 *
 * **Their own node reaches them** whatever policies say, and is reached whatever NetworkPolicies say: kubelet's probes come from there (NetworkPolicy, "The behavior of to
 * and from selectors"). Kube-OVN's priority. It is not believed by its address alone: it comes through the router, and no pod's switch lets a node's
 * address out (`subnet-sources.ts`). In custom VPCs it comes from the address of `PROBE_NETWORK`, which nothing but a node's port has (`vpc-probe.ts`). IPv6's neighbour discovery needs no such rule: ovn-northd lets it through where there is
 * any `allow-related`. **So do they themselves** through a Service, from an address that no port may send from; on its way out such a packet is
 * turned back before ACLs that apply after load balancing.
 *
 * **What a tier does not decide is left to the next one**, in so many words. Where no ACL of the first tier matches, OVN's own flow of priority 1
 * takes a packet of a connection that an ACL has blocked before for one that nothing forbids any more, and lets it through, although
 * the drop is in a later tier: every other packet of a connection that was cut gets through (northd 25.03, `ls_out_acl_eval`). A `pass` of
 * priority 0 comes before that flow. It must not be in the last tier, where that flow is right, so there is always a rule in
 * the fourth. On the way out ACLs of policies apply after load balancing, and there is no such flow.
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
    // On the way out only NetworkPolicies, which are in the tier before (see `compileAcls`), and the baseline have to leave that to the node. SecurityGroups and a
    // subnet's rules are above these in their tiers, for they are in the same stage, and what they do not let out does not go to the node either.
    const toNode = `${word}.dst == ${nodes}`;
    add(word, "from-lport-after-lb", 1, 3000, toNode, "pass");
    add(word, "from-lport-after-lb", 2, 0, toNode, "allow-related");
    add(word, "from-lport-after-lb", 3, 1900, toNode, "allow-related");
  }
  for (const tier of TIERS_BEFORE_LAST) add("pass", "to-lport", tier, 0, "ip", "pass");
}
