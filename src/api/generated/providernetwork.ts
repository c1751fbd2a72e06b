// SPDX-License-Identifier: Apache-2.0

// Generated from crds/provider-networks.yaml by `npm run generate -- crds`. Do not edit.
import type { LabelSelector } from "../label-selector.ts";

/** Desired state of the network. */
export interface ProviderNetworkSpec {
  /** Name of the interface on nodes that `customInterfaces` does not list. Cannot be changed. */
  readonly defaultInterface: string;
  /** Nodes with another interface. */
  readonly customInterfaces?: readonly ProviderNetworkCustomInterface[];
  /** Labels of the nodes that are connected. If it is set, `excludeNodes` is ignored. Default: all nodes. */
  readonly nodeSelector?: LabelSelector;
  /** Names of nodes that are not connected. */
  readonly excludeNodes?: readonly string[];
  /** The bridge gets the interface's name, and the interface that of the bridge. Nodes need Linux 6.2. */
  readonly exchangeLinkName?: boolean;
  /** Interfaces called `<interface>.<VLAN id>` are created on nodes that have none. */
  readonly autoCreateVlanSubinterfaces?: boolean;
  /**
   * Ports of the bridge with a tag take the place of the VLAN sub-interfaces called `<interface>.<VLAN id>`, with their
   * addresses and routes.
   */
  readonly preserveVlanInterfaces?: boolean;
  /** The same for these VLAN sub-interfaces of the interface, by name. */
  readonly vlanInterfaces?: readonly string[];
}

/** An interface, and the nodes that have it. */
export interface ProviderNetworkCustomInterface {
  /** Name of the interface. */
  readonly interface?: string;
  /** Names of the nodes. */
  readonly nodes?: readonly string[];
}

/** Observed state. */
export interface ProviderNetworkStatus {
  /** Whether all selected nodes are connected. */
  readonly ready?: boolean;
  /** Names of the nodes that are connected. */
  readonly readyNodes?: readonly string[];
  /** Names of the selected nodes that are not connected; the conditions say why. */
  readonly notReadyNodes?: readonly string[];
  /** Names of the Vlans of the network. */
  readonly vlans?: readonly string[];
  /** Conditions of the object, and one for each selected node. */
  readonly conditions?: readonly ProviderNetworkStatusCondition[];
}

/** One condition. */
export interface ProviderNetworkStatusCondition {
  /** The node that the condition is about; empty for conditions of the object. */
  readonly node?: string;
  /** Type of the condition: `Ready`, `Validated`, `Init` or `Error`. */
  readonly type?: string;
  /** `True`, `False` or `Unknown`. */
  readonly status?: string;
  /** Reason for `status`: one word in CamelCase, for programs. */
  readonly reason?: string;
  /** Human-readable message with details. */
  readonly message?: string;
  /** `metadata.generation` of the object that the condition is about. */
  readonly observedGeneration?: number;
  /** When any field of the condition last changed. */
  readonly lastUpdateTime?: string;
  /** When `status` last changed. */
  readonly lastTransitionTime?: string;
}
