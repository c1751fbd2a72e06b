// SPDX-License-Identifier: Apache-2.0

import { namespaceUnit } from "../compile/namespace.ts";
import type { NamespaceFact } from "../facts/namespace.ts";
import { projectNamespace } from "../facts/project-core.ts";
import { NAMESPACES } from "../kube/resources.ts";
import type { Kind } from "./kind.ts";

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly namespaces: NamespaceFact;
  }
}

/** core/v1 Namespace. */
export const namespaceKind: Kind<"namespaces"> = {
  facts: "namespaces",
  type: NAMESPACES,
  project: projectNamespace,
  indexes: {},
  unit: namespaceUnit,
  access: { verbs: ["patch"], why: "Watched; their subnets are written to annotations." },
};
