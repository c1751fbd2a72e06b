// SPDX-License-Identifier: Apache-2.0

/** One StatefulSet: which of its pods' addresses are kept while they are away. */
export interface StatefulSetFact {
  readonly key: string;
  readonly replicas: number;
  /** `.spec.ordinals.start`. */
  readonly start: number;
  readonly deleting: boolean;
}

/** One KubeVirt VirtualMachine: its address is kept while it exists. */
export interface VirtualMachineFact {
  readonly key: string;
  readonly deleting: boolean;
}
