// SPDX-License-Identifier: Apache-2.0

import type { ProjectedMeta } from "./meta.ts";
import type { MigrationFact, StatefulSetFact, VirtualMachineFact } from "./workload.ts";

/** What {@link projectStatefulSet} reads of a StatefulSet. */
export interface StatefulSetObject {
  readonly metadata: ProjectedMeta;
  readonly spec?: { readonly replicas?: number; readonly ordinals?: { readonly start?: number } };
}

/** The fact of a StatefulSet. */
export function projectStatefulSet({ metadata, spec }: StatefulSetObject): StatefulSetFact {
  return {
    key: `${metadata.namespace}/${metadata.name}`,
    replicas: spec?.replicas ?? 1,
    start: spec?.ordinals?.start ?? 0,
    deleting: metadata.deletionTimestamp !== undefined,
  };
}

/** The fact of a KubeVirt VirtualMachine. */
export function projectVirtualMachine({ metadata }: { readonly metadata: ProjectedMeta }): VirtualMachineFact {
  return {
    key: `${metadata.namespace}/${metadata.name}`,
    deleting: metadata.deletionTimestamp !== undefined,
  };
}

/** What {@link projectMigration} reads of a VirtualMachineInstanceMigration. */
export interface MigrationObject {
  readonly metadata: ProjectedMeta;
  readonly spec?: { readonly vmiName?: string };
  readonly status?: { readonly phase?: string };
}

/** The fact of a KubeVirt VirtualMachineInstanceMigration. */
export function projectMigration({ metadata, spec, status }: MigrationObject): MigrationFact {
  const { name, namespace, uid, creationTimestamp = "" } = metadata;
  return {
    key: `${namespace}/${name}`,
    uid,
    // A VirtualMachineInstance has the name of its virtual machine.
    machine: `${namespace}/${spec?.vmiName ?? ""}`,
    phase: status?.phase === "Succeeded" ? "succeeded" : status?.phase === "Failed" ? "failed" : "running",
    created: creationTimestamp,
  };
}
