// SPDX-License-Identifier: Apache-2.0

import { NODE } from "../../api/annotations.ts";
import { samePlain } from "../../collections/plain.ts";
import { acceptedUplinks } from "../../contract/node.ts";
import { readUplinkState, vlanInterface } from "../../contract/uplinks.ts";
import { changeOf, type Derivation } from "../../facts/derivation.ts";
import type { NodeFact } from "../../facts/node.ts";
import type { ProviderNodeFact } from "../../facts/provider.ts";
import type { FactStore } from "../../facts/store.ts";
import type { FactTypes } from "../../facts/types.ts";
import { matchesLabels, selectorProblem } from "../../policy/labels.ts";

/**
 * The facts `providerNodes`: which nodes must be connected to which network outside, by which interface, and the state that their daemons report. So neither
 * a node's unit nor a network's reads all of the others.
 */
export const providerNodes: Derivation<"providerNodes"> = {
  kind: "providerNodes",
  keys: (facts) => facts.all("providerNetworks").flatMap(({ name }) => keysOf(facts, name)),
  changedBy(change, facts) {
    const network = changeOf("providerNetworks", change);
    if (network !== undefined) return keysOf(facts, change.key);
    const vlan = changeOf("vlans", change);
    // Vlans matter to a network that is being deleted only, see `isGone`.
    if (vlan !== undefined)
      return networksOf(vlan.old, vlan.new)
        .filter((name) => facts.get("providerNetworks", name)?.deleting === true)
        .flatMap((name) => keysOf(facts, name));
    const node = changeOf("nodes", change);
    if (node === undefined || sameForNetworks(node.old, node.new)) return [];
    return facts.all("providerNetworks").map(({ name }) => keyOf(name, change.key));
  },
  derive(facts, key) {
    const at = key.indexOf("/");
    const [network, node] = [facts.get("providerNetworks", key.slice(0, at)), facts.get("nodes", key.slice(at + 1))];
    if (network === undefined || node === undefined || isGone(facts, network)) return undefined;
    return factOf(network, node);
  },
};

/** A network that is being deleted is removed when its last Vlan is deleted. */
function isGone(facts: FactStore, { name, deleting }: FactTypes["providerNetworks"]): boolean {
  return deleting && !facts.has("vlans", "network", name);
}

function factOf(network: FactTypes["providerNetworks"], node: NodeFact): ProviderNodeFact {
  const { name } = network;
  const key = keyOf(name, node.name);
  const wanted = interfaceOf(network, node);
  if (wanted === undefined) return { key, network: name, node: node.name };
  const state = readUplinkState(node.annotations[NODE.uplinks], name);
  const createsVlan = network.autoCreateVlan && vlanInterface(wanted) !== undefined;
  return {
    ...{ key, network: name, node: node.name, interface: wanted },
    ...(createsVlan && { createsVlan }),
    ...(network.exchangeLinkName && { exchangesName: true as const }),
    ...(network.keptVlans.length > 0 && { keptVlans: network.keptVlans }),
    ...(state !== undefined && { state }),
  };
}

/**
 * The interface by which a node must be connected; undefined for none. As in Kube-OVN, the list of excluded nodes is not considered with a selector. While the selector is invalid, each
 * node stays as its contract says: connected or not.
 */
function interfaceOf(
  { name: network, nodeSelector, excludeNodes, customInterfaces, interface: name }: FactTypes["providerNetworks"],
  { name: node, labels, annotations }: NodeFact,
): string | undefined {
  if (nodeSelector !== undefined && selectorProblem(nodeSelector) !== undefined)
    return new Map(Object.entries(acceptedUplinks(annotations) ?? {})).get(network);
  const isSelected = nodeSelector === undefined ? !excludeNodes.includes(node) : matchesLabels(nodeSelector, labels);
  if (!isSelected) return undefined;
  return customInterfaces.find(({ nodes }) => nodes.includes(node))?.interface ?? name;
}

function keysOf(facts: FactStore, network: string): readonly string[] {
  return facts.all("nodes").map(({ name }) => keyOf(network, name));
}

function keyOf(network: string, node: string): string {
  return `${network}/${node}`;
}

function networksOf(...vlans: readonly (FactTypes["vlans"] | undefined)[]): readonly string[] {
  return [...new Set(vlans.flatMap((vlan) => vlan?.network || []))];
}

function sameForNetworks(old: NodeFact | undefined, now: NodeFact | undefined): boolean {
  return (
    old !== undefined &&
    now !== undefined &&
    samePlain(old.labels, now.labels) &&
    old.annotations[NODE.uplinks] === now.annotations[NODE.uplinks] &&
    old.annotations[NODE.contract] === now.annotations[NODE.contract]
  );
}
