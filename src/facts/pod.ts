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
  /** The node it is bound to; absent until the scheduler has decided. */
  readonly node?: string;
  /** False once its containers have ended for good (phase Succeeded or Failed): its address may be given away. */
  readonly alive: boolean;
  /**
   * Whose address it uses: its own (`namespace/name`), or its virtual machine's (`namespace/machine`), which outlives the
   * pods that the machine runs in.
   */
  readonly holder: string;
  /** When it was created, RFC 3339; of virtual machines' pods only, of which there may be several. */
  readonly created?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The annotations under `*.kubernetes.io/` that Weft reads or writes, as far as they have the form that they are to have. */
  readonly annotations: Readonly<Record<string, string>>;
  /** What is wrong with others; absent where nothing is. */
  readonly invalidAnnotations?: readonly InvalidAnnotation[];
  /** The named ports of its containers, in a fixed order; policies may name them. */
  readonly ports: readonly NamedPortFact[];
  /** Stands for its namespace, labels and named ports: pods with the same one are the same to every selector. */
  readonly profile: string;
  /** The networks that it names beside or instead of its own one, in order; absent where it names none, as most do. */
  readonly networks?: readonly NetworkSelectionFact[];
  /** The message that says why its networks cannot be read; then `networks` is absent. */
  readonly networksProblem?: string;
  /** It names a network in place of its primary one (Multus' `v1.multus-cni.io/default-network`), whether or not that can be read. */
  readonly replacesPrimary?: true;
  /** The interfaces that it has by networks with a definition, as Multus says; absent where there are none. */
  readonly attached?: readonly AttachedInterfaceFact[];
  /** The controlling owner, for addresses that outlive a pod. */
  readonly owner?: { readonly kind: string; readonly name: string; readonly uid: string };
}

/** A port of a container that has a name. */
export interface NamedPortFact {
  readonly name: string;
  readonly protocol: string;
  readonly number: number;
}
