// SPDX-License-Identifier: Apache-2.0

import { type ProviderNetworkKey, providerNetworkLabel } from "../../api/annotations.ts";
import { acceptedUplinks } from "../../contract/node.ts";
import { type KeptVlans, type NodeUplinks, uplinksText } from "../../contract/uplinks.ts";
import type { NodeFact } from "../../facts/node.ts";
import type { ProviderNodeFact } from "../../facts/provider.ts";
import type { PatchObjectEffect } from "../effects.ts";
import { patchObject } from "../owned-object.ts";

/** The keys of the labels that the controller writes. */
const KEYS = [
  "ready",
  "interface",
  "mtu",
  "exclude",
  "vlan_interfaces",
] as const satisfies readonly ProviderNetworkKey[];

/** The last part of the keys of these labels. */
const SUFFIXES = KEYS.map((key) => providerNetworkLabel("", key));

/** A value that a label may have (Kubernetes, "Labels and Selectors"); an interface may have another name. */
const LABEL_VALUE = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/**
 * The interfaces by which a node's daemon connects it to networks outside. Absent if there are none and were none: then a daemon changes nothing.
 */
export function uplinksOf({ annotations }: NodeFact, networks: readonly ProviderNodeFact[]): NodeUplinks | undefined {
  const wanted = networks.flatMap(({ network, interface: name }) =>
    name === undefined ? [] : [[network, name] as const],
  );
  if (wanted.length === 0 && acceptedUplinks(annotations) === undefined) return undefined;
  return uplinksText(wanted);
}

/** The networks of a node whose interface is a VLAN sub-interface that its daemon creates. */
export function vlanUplinksOf(networks: readonly ProviderNodeFact[]): readonly string[] {
  return networks.flatMap(({ network, createsVlan }) => (createsVlan ? network : []));
}

/** The networks of a node whose interface exchanges its name with the bridge. */
export function exchangedUplinksOf(networks: readonly ProviderNodeFact[]): readonly string[] {
  return networks.flatMap(({ network, exchangesName }) => (exchangesName ? network : []));
}

/** The VLAN sub-interfaces of a node that ports of bridges replace. */
export function keptVlansOf(networks: readonly ProviderNodeFact[]): KeptVlans {
  return Object.fromEntries(networks.flatMap(({ network, keptVlans }) => (keptVlans ? [[network, keptVlans]] : [])));
}

/**
 * Kube-OVN's labels of a node about networks outside (`pkg/daemon/controller.go`, `initProviderNetwork`). There the daemon writes them. Weft's daemon may not change labels, because they
 * decide scheduling; it reports its state in an annotation.
 */
export function labelUplinks(node: NodeFact, networks: readonly ProviderNodeFact[]): readonly PatchObjectEffect[] {
  const wanted = new Map(networks.flatMap(labelsOf));
  const labels: Record<string, string | null> = {};
  for (const [name, value] of wanted) if (node.labels[name] !== value) labels[name] = value;
  for (const name of Object.keys(node.labels))
    if (!wanted.has(name) && SUFFIXES.some((suffix) => name.endsWith(suffix))) labels[name] = null;
  return Object.keys(labels).length === 0
    ? []
    : [patchObject("nodes", node, { metadata: { name: node.name, labels } })];
}

function labelsOf({ network, interface: wanted, state }: ProviderNodeFact): readonly (readonly [string, string])[] {
  const label = (key: ProviderNetworkKey, value: string) => [providerNetworkLabel(network, key), value] as const;
  if (wanted === undefined) return [label("exclude", "true")];
  if (state === undefined || !("mtu" in state) || state.interface !== wanted) return [];
  const name = LABEL_VALUE.test(wanted) ? [label("interface", wanted)] : [];
  const vlans = state.vlans ? [label("vlan_interfaces", "true")] : [];
  return [label("ready", "true"), ...name, label("mtu", String(state.mtu)), ...vlans];
}
