// SPDX-License-Identifier: Apache-2.0

import { NODE } from "../../api/annotations.ts";
import { acceptedNetworks } from "../../contract/node.ts";
import type { ChassisProblemFact } from "../../facts/database.ts";
import type { NodeFact } from "../../facts/node.ts";
import type { FactReader } from "../../facts/store.ts";

/**
 * What is wrong with the chassis of a node, according to its daemon; undefined if nothing is, or if it is not known: the daemon has not reported it,
 * or the southbound database has not been read.
 *
 * OVN identifies a chassis by its `system-id`, which changes when a node is reinstalled. Its ovn-controller cannot register while the former chassis
 * has its tunnel address, and says so only in its log ("already has encap ip … cannot duplicate"). Two nodes with the same `system-id`, as after
 * copying a disk, take each other's ports away in turn.
 */
export function judgeChassis(facts: FactReader, node: NodeFact): Omit<ChassisProblemFact, "key"> | undefined {
  const id = node.annotations[NODE.chassis];
  if (id === undefined || facts.get("served", "chassis") === undefined) return undefined;
  const twins = facts.by("nodes", "chassis", id).filter(({ name }) => name !== node.name);
  if (twins.length > 0) {
    const names = twins.map(({ name }) => name).slice(0, 3);
    return {
      reason: "ChassisConflict",
      message: `node ${names.join(", ")} has the same system-id, ${id}; on all but one of these nodes, delete /etc/openvswitch/system-id.conf and the node's pod of DaemonSet ovs-ovn`,
    };
  }
  const former = facts.by("chassis", "host", node.name).filter(({ name, remote }) => name !== id && !remote);
  if (facts.by("chassis", "name", id).length > 0) {
    if (former.length === 0) return undefined;
    const names = former.map(({ name }) => name);
    return {
      reason: "ChassisConflict",
      message: `OVN has more than one chassis for this node: ${id}, the current one, and ${names.join(", ")}; delete the former ones: ${deletion(names)}`,
    };
  }
  const ends = [...node.addresses, ...Object.values(acceptedNetworks(node.annotations))];
  const tunnels = ends.flatMap((ip) => facts.by("encaps", "ip", ip).map(({ chassis }) => chassis));
  const inTheWay = [...new Set([...former.map(({ name }) => name), ...tunnels])].sort();
  const absent = `the southbound database has no chassis ${id}, so pods of this node cannot reach other nodes`;
  return {
    reason: "ChassisMissing",
    message:
      inTheWay.length === 0
        ? `${absent}: see the log of the node's ovn-controller (DaemonSet ovs-ovn)`
        : `${absent}: a chassis with the same name or address exists; if it belongs to no other node, delete it: ${deletion(inTheWay)}`,
  };
}

function deletion(names: readonly string[]): string {
  return names.map((name) => `ovn-sbctl chassis-del ${name}`).join("; ");
}
