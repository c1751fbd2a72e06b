// SPDX-License-Identifier: Apache-2.0

import { projectMigration } from "../facts/project-owner.ts";
import type { MigrationFact } from "../facts/workload.ts";
import { MIGRATIONS } from "../kube/resources.ts";
import type { Kind } from "./kind.ts";

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly migrations: MigrationFact;
  }
  interface FactIndexes {
    readonly migrations: "uid";
  }
}

/**
 * kubevirt.io/v1 VirtualMachineInstanceMigration: the nodes of a virtual machine's port during a migration. Clusters without KubeVirt do not serve
 * it.
 */
export const migrationKind: Kind<"migrations"> = {
  facts: "migrations",
  type: MIGRATIONS,
  absent: "empty",
  project: projectMigration,
  indexes: { uid: ({ uid }) => [uid] },
  access: { verbs: [], why: "Watched: while one runs, the port of the virtual machine is on both nodes." },
};
