// SPDX-License-Identifier: Apache-2.0

import { projectStatefulSet, projectVirtualMachine } from "../facts/project-owner.ts";
import type { StatefulSetFact, VirtualMachineFact } from "../facts/workload.ts";
import { STATEFUL_SETS, VIRTUAL_MACHINES } from "../kube/resources.ts";
import type { Kind } from "./kind.ts";

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly statefulSets: StatefulSetFact;
    readonly virtualMachines: VirtualMachineFact;
  }
}

/** apps/v1 StatefulSet: it keeps its pods' addresses as long as it exists. */
export const statefulSetKind: Kind<"statefulSets"> = {
  facts: "statefulSets",
  type: STATEFUL_SETS,
  project: projectStatefulSet,
  indexes: {},
  access: {
    verbs: ["get"],
    why: "Watched: they keep their pods' addresses. Before an address is released the API server itself is asked, because an informer may lag.",
  },
};

/** kubevirt.io/v1 VirtualMachine: as a StatefulSet. Clusters without KubeVirt do not serve it. */
export const virtualMachineKind: Kind<"virtualMachines"> = {
  facts: "virtualMachines",
  type: VIRTUAL_MACHINES,
  absent: "empty",
  project: projectVirtualMachine,
  indexes: {},
  access: { verbs: ["get"], why: "Watched, and read for the same reason as StatefulSets." },
};
