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

/** One KubeVirt VirtualMachineInstanceMigration: a virtual machine is moved from one pod, and node, to another. */
export interface MigrationFact {
  readonly key: string;
  /** The target's pod has it in the label `MIGRATION_LABEL`. */
  readonly uid: string;
  /** `namespace/machine`. */
  readonly machine: string;
  /** `running`: not over yet, whatever KubeVirt's phase. */
  readonly phase: "running" | "succeeded" | "failed";
  /** RFC 3339. */
  readonly created: string;
}

/** The label of the pod that a virtual machine is moved to: the UID of the migration (KubeVirt's `MigrationJobLabel`). */
export const MIGRATION_LABEL = "kubevirt.io/migrationJobUID";
