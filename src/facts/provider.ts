// SPDX-License-Identifier: Apache-2.0

/** One node and one network outside the cluster (ProviderNetwork); derived by `src/compile/node/provider-nodes.ts`. Key: `<network>/<node>`. */
export interface ProviderNodeFact {
  readonly key: string;
  readonly network: string;
  readonly node: string;
  /** The interface by which the node is to be connected; absent for a node that is not to be. */
  readonly interface?: string;
  /** The interface is a VLAN sub-interface, which the daemon creates if there is none. */
  readonly createsVlan?: true;
  /** The interface exchanges its name with the bridge. */
  readonly exchangesName?: true;
  /** The VLAN sub-interfaces that ports of the bridge replace, as in the node's contract. */
  readonly keptVlans?: readonly string[];
  /** What the node's daemon says of it; absent where it has said nothing. */
  readonly state?:
    | { readonly interface: string; readonly mtu: number; readonly vlans?: true }
    | { readonly reason: string; readonly message: string };
}
