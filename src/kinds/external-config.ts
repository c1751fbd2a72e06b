// SPDX-License-Identifier: Apache-2.0

import { type ExternalGatewayConfigFact, projectExternalGatewayConfig } from "../facts/external-config.ts";
import { CONFIG_MAPS } from "../kube/resources.ts";
import type { Kind } from "./kind.ts";

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly externalGatewayConfigs: ExternalGatewayConfigFact;
  }
}

/** The ConfigMap that connects the default VPC to its external subnet. */
export const externalGatewayConfigKind: Kind<"externalGatewayConfigs"> = {
  facts: "externalGatewayConfigs",
  type: CONFIG_MAPS,
  // By name, so that a permission for objects with this name is enough.
  fieldSelector: "metadata.name=ovn-external-gw-config",
  project: projectExternalGatewayConfig,
  indexes: {},
  access: {
    verbs: [],
    names: ["ovn-external-gw-config"],
    why: "Watched: the default VPC's connection to its external subnet, and the nodes that host it.",
  },
};
