// SPDX-License-Identifier: Apache-2.0

import { NODE } from "../../api/annotations.ts";
import { changeOf, type Derivation } from "../../facts/derivation.ts";
import type { NodeFact } from "../../facts/node.ts";
import type { ProviderNodeFact } from "../../facts/provider.ts";
import { type FactReader, type FactStore, strictReader } from "../../facts/store.ts";
import type { FactTypes } from "../../facts/types.ts";
import { readLocalnet } from "../subnet/subnet-localnet.ts";

/** Of two chassis none takes over: without a tunnel to a third one, neither can tell whether the other one is dead (OVN's `ha_chassis_group_is_active`, controller/ha-chassis.c). */
const MIN_MEMBERS = 3;
/** Several nodes may fail at once; each member has a BFD session with each other one. */
const MAX_MEMBERS = 5;

/**
 * The facts `nodeEipChassis`: which chassis has the address of an OvnEip of type `lsp`, and which ones take it over, in this order, when BFD in the tunnels finds the former ones dead: the node
 * with its name, then the other nodes with such an OvnEip in the subnet, each only while it is connected to the network outside. If they are fewer than three, other nodes follow as
 * witnesses; these forward only when all of the former are dead. An OvnEip's unit reads this fact only, so other changes of nodes do not wake it.
 */
export const nodeEipChassis: Derivation<"nodeEipChassis"> = {
  kind: "nodeEipChassis",
  keys: nodeEips,
  changedBy(change, facts) {
    const eip = changeOf("ovnEips", change);
    if (eip !== undefined) return hasAddress(eip.old) || hasAddress(eip.new) ? [change.key, ...nodeEips(facts)] : [];
    const node = changeOf("nodes", change);
    if (node !== undefined) return chassisOf(node.old) === chassisOf(node.new) ? [] : nodeEips(facts);
    const uplink = changeOf("providerNodes", change);
    if (uplink !== undefined) return isNodeConnected(uplink.old) === isNodeConnected(uplink.new) ? [] : nodeEips(facts);
    return change.kind === "subnets" || change.kind === "vlans" ? nodeEips(facts) : [];
  },
  derive(store, key) {
    const facts = strictReader(store);
    const eip = facts.get("ovnEips", key);
    const subnet = eip && hasAddress(eip) ? facts.get("subnets", eip.subnet) : undefined;
    const localnet = subnet && readLocalnet(facts, subnet);
    return localnet && { key, chassis: membersOf(facts, { eip: key, subnet: subnet.name, network: localnet.network }) };
  },
};

/** Whether a node has an address of its own in an external subnet by the OvnEip: it is of type `lsp`, has its address, and stays. */
export function hasAddress(eip: FactTypes["ovnEips"] | undefined): boolean {
  return eip?.type === "lsp" && eip.given !== undefined && !eip.deleting;
}

/** Whether a node's daemon reports that the node is connected to a network outside. */
export function isNodeConnected(uplink: ProviderNodeFact | undefined): boolean {
  return uplink?.state !== undefined && "mtu" in uplink.state;
}

function nodeEips(facts: FactStore): readonly string[] {
  return facts.by("ovnEips", "type", "lsp").map(({ name }) => name);
}

function chassisOf(node: NodeFact | undefined): string | undefined {
  return node?.annotations[NODE.chassis] || undefined;
}

function membersOf(
  facts: FactReader,
  { eip, subnet, network }: { readonly eip: string; readonly subnet: string; readonly network: string },
): readonly string[] {
  const nodes = facts.all("nodes").flatMap((node) => {
    const { name } = node;
    const chassis = chassisOf(node);
    if (chassis === undefined) return [];
    const own = facts.get("ovnEips", name);
    const connected = isNodeConnected(facts.get("providerNodes", `${network}/${name}`));
    return [{ name, chassis, connected, forwards: connected && hasAddress(own) && own?.subnet === subnet }];
  });
  // Beginning with the OvnEip's own node, so that the addresses of one that died do not all go to the same other one.
  const ring = [...nodes.filter(({ name }) => name >= eip), ...nodes.filter(({ name }) => name < eip)];
  const forwarders = distinct(ring.filter(({ forwards }) => forwards));
  if (forwarders.length === 0) return [];
  const witnesses = [...ring.filter(({ connected }) => connected), ...ring];
  const members = distinct([...ring.filter(({ forwards }) => forwards), ...witnesses]);
  if (members.length < MIN_MEMBERS) return members.slice(0, 1);
  return members.slice(0, Math.min(MAX_MEMBERS, Math.max(MIN_MEMBERS, forwarders.length)));
}

/** Nodes that were copied from one disk have the same chassis. */
function distinct(nodes: readonly { readonly chassis: string }[]): readonly string[] {
  return [...new Set(nodes.map(({ chassis }) => chassis))];
}
