// SPDX-License-Identifier: Apache-2.0

import type { ProviderNetworkSpec } from "../api/generated/providernetwork.ts";
import type { LabelSelector } from "../api/label-selector.ts";
import { type ConditionEffect, type ConditionOnNode, fill, type Note, type WeftEffect } from "../compile/effects.ts";
import { FragmentBuilder } from "../compile/fragment-builder.ts";
import { malformedNotes } from "../compile/references.ts";
import { withNotes } from "../compile/reports.ts";
import { ALL_VLANS, vlanInterface } from "../contract/uplinks.ts";
import type { Fragment } from "../desired/fragment.ts";
import type { UnitKind } from "../desired/unit-kind.ts";
import { type CustomObjectFact, customObjectFields, type ProjectedMeta } from "../facts/meta.ts";
import type { ProviderNodeFact } from "../facts/provider.ts";
import type { FactReader } from "../facts/store.ts";
import { selectorProblem } from "../policy/labels.ts";
import type { Kind } from "./kind.ts";

/** One ProviderNetwork. */
export interface ProviderNetworkFact extends CustomObjectFact {
  /** The interface of nodes that `customInterfaces` does not list. */
  readonly interface: string;
  readonly customInterfaces: readonly { readonly interface: string; readonly nodes: readonly string[] }[];
  readonly nodeSelector?: LabelSelector;
  readonly excludeNodes: readonly string[];
  /** Interfaces called `<interface>.<VLAN id>` are created on nodes that have none. */
  readonly autoCreateVlan: boolean;
  /** The interface and the bridge exchange their names. */
  readonly exchangeLinkName: boolean;
  /** The VLAN sub-interfaces that ports of the bridge replace, as in nodes' contracts, and entries of `vlanInterfaces` that name none. */
  readonly keptVlans: readonly string[];
  readonly invalidVlans: readonly string[];
}

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly providerNetworks: ProviderNetworkFact;
  }
}

/** The fields that {@link projectProviderNetwork} reads. */
export interface ProviderNetworkObject {
  readonly metadata: ProjectedMeta;
  readonly spec?: Partial<ProviderNetworkSpec>;
}

/** The fact of a ProviderNetwork. */
export function projectProviderNetwork({ metadata, spec = {} }: ProviderNetworkObject): ProviderNetworkFact {
  const named = spec.vlanInterfaces ?? [];
  return {
    ...customObjectFields(metadata),
    interface: spec.defaultInterface ?? "",
    customInterfaces: (spec.customInterfaces ?? []).flatMap(({ interface: name, nodes = [] }) =>
      name === undefined ? [] : [{ interface: name, nodes }],
    ),
    ...(spec.nodeSelector && { nodeSelector: spec.nodeSelector }),
    excludeNodes: spec.excludeNodes ?? [],
    autoCreateVlan: spec.autoCreateVlanSubinterfaces === true,
    exchangeLinkName: spec.exchangeLinkName === true,
    keptVlans: [...(spec.preserveVlanInterfaces === true ? [ALL_VLANS] : []), ...named.filter(isVlanName)],
    invalidVlans: named.filter((name) => !isVlanName(name)),
  };
}

function isVlanName(name: string): boolean {
  return name.length <= 15 && vlanInterface(name) !== undefined;
}

interface ProviderNetworkInput {
  readonly network: ProviderNetworkFact;
  /** The nodes that must be connected, by name. */
  readonly nodes: readonly ProviderNodeFact[];
  readonly vlans: readonly string[];
}

/** A ProviderNetwork: its state on nodes, as their daemons report it. It has no rows: subnets name it in their localnet ports. */
const providerNetworkUnit: UnitKind<FactReader, ProviderNetworkInput, WeftEffect> = {
  name: "provider-network",
  priority: 4,

  read(reader, key) {
    const network = reader.get("providerNetworks", key);
    if (network === undefined) return undefined;
    return {
      network,
      nodes: reader.by("providerNodes", "network", key),
      vlans: reader.by("vlans", "network", key).map(({ name }) => name),
    };
  },

  compile({ network, nodes, vlans }): Fragment<WeftEffect> {
    const { name, uid, generation, deleting } = network;
    const build = new FragmentBuilder();
    if (deleting && vlans.length === 0) return build.finish(fill("providerNetworks", network, { finalizer: false }));
    const conditions = nodes.map(conditionOf);
    const notReady = conditions.filter(({ ready }) => !ready).map(({ node }) => node);
    const condition: ConditionEffect = {
      ...{ kind: "condition", key: `condition/providerNetworks/${name}`, resource: "providerNetworks" },
      ...{ name, uid, generation },
      ...stateOf(network, notReady, vlans),
      nodes: conditions,
      status: {
        ready: notReady.length === 0,
        readyNodes: conditions.filter(({ ready }) => ready).map(({ node }) => node),
        notReadyNodes: notReady,
        vlans,
      },
    };
    const notes = [...malformedNotes(network), ...vlanNotes(network)];
    return build.finish(fill("providerNetworks", network, { finalizer: true }, withNotes(condition, notes)));
  },
};

function vlanNotes({ invalidVlans }: ProviderNetworkFact): readonly Note[] {
  if (invalidVlans.length === 0) return [];
  const shown = invalidVlans.slice(0, 5).map((name) => JSON.stringify(name));
  const message = `spec.vlanInterfaces: ${shown.join(", ")}: not called <interface>.<VLAN id>, with an id of 1 to 4094 and 15 characters at most; they are not used`;
  return [{ reason: "InvalidVlanInterface", message }];
}

/** With Kube-OVN's reasons (`pkg/controller/provider_network.go`). */
function conditionOf({ node, interface: wanted = "", state }: ProviderNodeFact): ConditionOnNode {
  const failed = (message: string): ConditionOnNode => ({ node, ready: false, reason: "InitOVSBridgeFailed", message });
  if (state === undefined) return failed(`weft-daemon on the node has not reported that ${wanted} is connected yet`);
  if (!("mtu" in state)) return failed(`${state.reason}: ${state.message}`);
  if (state.interface !== wanted)
    return failed(`weft-daemon on the node has yet to change from ${state.interface} to ${wanted}`);
  return { node, ready: true, reason: "InitOVSBridgeSucceeded", message: "" };
}

function stateOf(
  { deleting, nodeSelector }: ProviderNetworkFact,
  notReady: readonly string[],
  vlans: readonly string[],
): Pick<ConditionEffect, "ready" | "reason" | "message"> {
  if (deleting) {
    const message = `waiting for Vlans of the network to be deleted: ${vlans.slice(0, 5).join(", ")}`;
    return { ready: false, reason: "InUse", message };
  }
  const problem = nodeSelector && selectorProblem(nodeSelector);
  if (problem !== undefined)
    return {
      ready: false,
      reason: "InvalidNodeSelector",
      message: `spec.nodeSelector: ${problem}; until it is corrected, nodes that are connected stay connected, and no other node is connected`,
    };
  if (notReady.length === 0) return { ready: true, reason: "Ready", message: "" };
  const more = notReady.length > 5 ? ` and ${notReady.length - 5} more` : "";
  const message = `not connected: ${notReady.slice(0, 5).join(", ")}${more}; the conditions of these nodes say why`;
  return { ready: false, reason: "NodesNotReady", message };
}

/** kubeovn.io/v1 ProviderNetwork. */
export const providerNetworkKind: Kind<"providerNetworks"> = {
  facts: "providerNetworks",
  type: { group: "kubeovn.io", version: "v1", plural: "provider-networks", namespaced: false, kind: "ProviderNetwork" },
  project: projectProviderNetwork,
  indexes: {},
  unit: providerNetworkUnit,
  status: "subresource",
  access: { verbs: ["patch"], why: "Watched; finalizers are patched." },
};
