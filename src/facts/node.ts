// SPDX-License-Identifier: Apache-2.0

import type { Dual } from "../net/dual.ts";

/** A zone with nodes (label `topology.kubernetes.io/zone`); derived. The zone "" is that of nodes without the label. */
export interface ZoneFact {
  readonly key: string;
}

/** The name of a node, for what depends on no other property of nodes; derived. */
export interface NodeNameFact {
  readonly key: string;
}

/** One node. */
export interface NodeFact {
  readonly key: string;
  readonly name: string;
  readonly uid: string;
  /** RFC 3339; of two objects with ambiguous names the older one has the plain name. */
  readonly created: string;
  /** Its InternalIP of each family. */
  readonly internal: Dual<string>;
  /** Its condition Ready; true if there is none. */
  readonly ready: boolean;
  /** The status of its condition `ADDRESS_CONDITION`; absent if it has none. */
  readonly addressProblem?: { readonly reason: string; readonly message: string };
  /** The same of condition `CHASSIS_CONDITION`. */
  readonly chassisProblem?: { readonly reason: string; readonly message: string };
  /** The same of condition `NETWORKS_CONDITION`. */
  readonly networksProblem?: { readonly reason: string; readonly message: string };
  /** The same of condition `SERVICES_CONDITION`. */
  readonly servicesProblem?: { readonly reason: string; readonly message: string };
  /** All of its IP addresses, sorted. */
  readonly addresses: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}
