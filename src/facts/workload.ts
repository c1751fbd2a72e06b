// SPDX-License-Identifier: Apache-2.0

/** One StatefulSet: the addresses of its pods are kept while the pods do not exist. */
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

/** One KubeVirt VirtualMachineInstanceMigration: a virtual machine is migrated from one pod, and node, to another. */
export interface MigrationFact {
  readonly key: string;
  /** The target pod has it in the label `MIGRATION_LABEL`. */
  readonly uid: string;
  /** `namespace/machine`. */
  readonly machine: string;
  /** `running`: not completed, in any of KubeVirt's phases. */
  readonly phase: "running" | "succeeded" | "failed";
  /** RFC 3339. */
  readonly created: string;
}

/** The label of the pod that a virtual machine is migrated to: the UID of the migration (KubeVirt's `MigrationJobLabel`). */
export const MIGRATION_LABEL = "kubevirt.io/migrationJobUID";
