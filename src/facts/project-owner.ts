// SPDX-License-Identifier: Apache-2.0

import type { ProjectedMeta } from "./meta.ts";
import type { StatefulSetFact, VirtualMachineFact } from "./workload.ts";

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
