// SPDX-License-Identifier: Apache-2.0

import type { InvalidAnnotation } from "./annotation-rules.ts";
import type { AttachedInterfaceFact, NetworkSelectionFact } from "./network-attachment.ts";

/** One pod that takes part in the pod network (pods on the host's network never become facts). */
export interface PodFact {
  /** `namespace/name`. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** The node it is bound to; absent until it is scheduled. */
  readonly node?: string;
  /** False if its containers have terminated (phase Succeeded or Failed): its address may be allocated to others. */
  readonly alive: boolean;
  /**
   * The owner of its address: the pod (`namespace/name`), or its virtual machine (`namespace/machine`), which outlives its pods.
   */
  readonly holder: string;
  /** Time of creation, RFC 3339; only for pods of virtual machines, of which there may be several. */
  readonly created?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The valid annotations under `*.kubernetes.io/` that Weft reads or writes. */
  readonly annotations: Readonly<Record<string, string>>;
  /** The problems of the invalid ones; absent if there are none. */
  readonly invalidAnnotations?: readonly InvalidAnnotation[];
  /** The named ports of its containers, in a fixed order; policies may name them. */
  readonly ports: readonly NamedPortFact[];
  /** A key for its namespace, labels and named ports: pods with the same one match the same selectors. */
  readonly profile: string;
  /** The networks that it names in addition to its own or in place of it, in order; absent if it names none, as most pods. */
  readonly networks?: readonly NetworkSelectionFact[];
  /** Why its networks are invalid, as a message; then `networks` is absent. */
  readonly networksProblem?: string;
  /** It names a network in place of its primary one (Multus' `v1.multus-cni.io/default-network`), valid or not. */
  readonly replacesPrimary?: true;
  /** Its interfaces on networks with a definition, as Multus reports them; absent if there are none. */
  readonly attached?: readonly AttachedInterfaceFact[];
  /** The controlling owner, because addresses may outlive a pod. */
  readonly owner?: { readonly kind: string; readonly name: string; readonly uid: string };
}

/** A named port of a container. */
export interface NamedPortFact {
  readonly name: string;
  readonly protocol: string;
  readonly number: number;
}
