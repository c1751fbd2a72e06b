// SPDX-License-Identifier: Apache-2.0

import { aclName, HAIRPIN_SOURCE, PROBE_NETWORK, UPLINKS_GROUP } from "../../api/names.ts";
import type { Dual } from "../../net/dual.ts";
import type { AclStage } from "../../policy/acl-evaluation.ts";
import { holdAcl } from "../acl-row.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { nodeGroupId, vpcPodsId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";

/** The tiers that are followed by another tier: OVN has four (ovn-nb(5), ACL `tier`). */
const TIERS_BEFORE_LAST = [0, 1, 2] as const;

/**
 * Adds the rules for all pods of the default VPC on a node while there are policies, as ACLs of the node's group,
 * whose name is `group`.
 * @param own the addresses from which the node connects to pods: its trusted addresses, and those in the join subnet.
 *
 * **The pods' own node** reaches them whatever policies say, and they reach it whatever NetworkPolicies say, because
 * kubelet's probes come from there (NetworkPolicy, "The behavior of to and from selectors"). The priority is
 * Kube-OVN's. The address alone is not trusted: the traffic comes through the router, pods' switches drop packets
 * from pods with a node's address (`subnet-sources.ts`), and routers drop such packets from a peered VPC
 * (`vpc-peerings.ts`). In custom VPCs it comes from the address of `PROBE_NETWORK`, which only a node's port has
 * (`vpc-probe.ts`). Neighbour discovery of IPv6 needs no rule: ovn-northd allows it if there is any `allow-related`.
 *
 * **A pod that reaches itself** through a Service has a source address from which no port may send. Its packets
 * return to the pod before ACLs that apply after load balancing.
 *
 * **Explicit `pass`.** If no ACL of the first tier matches, OVN's own flow of priority 1 treats a packet of a blocked
 * connection as allowed again and lets it through, although a later tier drops it: every other packet of a connection
 * that was cut gets through (northd 25.03, `ls_out_acl_eval`). A `pass` of priority 0 comes before that flow. It must
 * not be in the last tier, where that flow is right, so there is always a rule in the fourth. For egress, ACLs of
 * policies apply after load balancing, and there is no such flow.
 */
export function compileNodeAcls(
  build: FragmentBuilder,
  node: string,
  own: readonly Dual<string>[],
  group: string,
): void {
  const add = adderOf(build, { id: nodeGroupId(node), name: aclName("node", node), ids: { node }, group });
  for (const [family, word] of WORDS) {
    const addresses = own.flatMap((dual) => dual[family] ?? []);
    if (addresses.length === 0) continue;
    const nodes = `{${[...new Set(addresses)].sort().join(", ")}}`;
    const fromNode = `inport == @${UPLINKS_GROUP} && ${word}.src == ${nodes}`;
    for (const tier of [2, 3] as const) {
      add(word, "to-lport", tier, 3000, fromNode, "allow-related");
      addUnspoofed(add, tier, family, word);
    }
    // For egress only NetworkPolicies, which are in the tier before (see `compileAcls`), and the baseline must be
    // overridden for the node. SecurityGroups and a subnet's rules are above these in their tiers, because they are
    // in the same stage: traffic that they do not allow does not reach the node either.
    const toNode = `${word}.dst == ${nodes}`;
    add(word, "from-lport-after-lb", 1, 3000, toNode, "pass");
    add(word, "from-lport-after-lb", 2, 0, toNode, "allow-related");
    add(word, "from-lport-after-lb", 3, 1900, toNode, "allow-related");
  }
  addPasses(add);
}

/**
 * Adds the same for all pods of a custom VPC, as ACLs of its group, whose name is `group`. Its pods are in no node's group: a pod of such a VPC may
 * have a node's address, and nodes reach its pods from the address of `PROBE_NETWORK` only.
 */
export function compileVpcAcls(build: FragmentBuilder, vpc: string, group: string): void {
  const add = adderOf(build, { id: vpcPodsId(vpc), name: aclName("vpc", vpc), ids: { vpc }, group });
  for (const [family, word] of WORDS) for (const tier of [2, 3] as const) addUnspoofed(add, tier, family, word);
  addPasses(add);
}

const WORDS = [
  ["v4", "ip4"],
  ["v6", "ip6"],
] as const;

type Add = (
  name: string,
  stage: AclStage,
  tier: 0 | 1 | 2 | 3,
  priority: number,
  match: string,
  action: "allow-related" | "pass",
) => void;

/** The group whose pods the rules are for. */
interface Holder {
  /** Owner id of its Port_Group, and prefix of those of the ACLs. */
  readonly id: string;
  /** Its name in the database. */
  readonly group: string;
  /** Name of the ACLs. */
  readonly name: string;
  readonly ids: Readonly<Record<string, string>>;
}

function adderOf(build: FragmentBuilder, { id, group, name, ids }: Holder): Add {
  return (rule, stage, tier, priority, match, action) => {
    const port = stage === "to-lport" ? "outport" : "inport";
    holdAcl(build, "Port_Group", id, `${id}/${rule}/${stage}/${tier}`, {
      name,
      stage,
      tier,
      priority,
      match: `${port} == @${group} && ${match}`,
      action,
      external_ids: externalIds(ids),
    });
  };
}

/** Sources that no port of a pod may send from. */
function addUnspoofed(add: Add, tier: 2 | 3, family: "v4" | "v6", word: string): void {
  const unspoofed = `{${HAIRPIN_SOURCE[family]}, ${PROBE_NETWORK[family].node}}`;
  add(`itself-${word}`, "to-lport", tier, 3000, `${word}.src == ${unspoofed}`, "allow-related");
}

function addPasses(add: Add): void {
  for (const tier of TIERS_BEFORE_LAST) add("pass", "to-lport", tier, 0, "ip", "pass");
}
