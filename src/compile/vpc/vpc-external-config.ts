// SPDX-License-Identifier: Apache-2.0

import { EXTERNAL_BY_CONFIG } from "../../api/annotations.ts";
import type { ExternalGatewayConfigFact } from "../../facts/external-config.ts";
import type { VpcFact } from "../../facts/vpc.ts";
import type { Note, PatchObjectEffect } from "../effects.ts";
import { patchObject } from "../owned-object.ts";

type Config = ExternalGatewayConfigFact | undefined;

/**
 * The effect that sets `spec.enableExternal` of the default VPC while ConfigMap `ovn-external-gw-config` exists and does not say otherwise, and clears it
 * afterwards, as in Kube-OVN (`updateDefaultVpcExternal`). An annotation records that Weft has set it: what a user has set stays. It does
 * not look at `extraExternalSubnets`, so it does not matter which of them comes first.
 */
export function followConfig(vpc: VpcFact, config: Config): readonly PatchObjectEffect[] {
  if (!vpc.isDefault) return [];
  const enabled = config?.enabled === true;
  const isToSet = enabled && vpc.externals.length === 0;
  if (enabled ? !isToSet : !vpc.externalByConfig) return [];
  const annotations = { [EXTERNAL_BY_CONFIG]: enabled ? "true" : null };
  return [patchObject("vpcs", vpc, { metadata: { name: vpc.name, annotations }, spec: { enableExternal: enabled } })];
}

/** What of the ConfigMap has no effect. */
export function configNotes(config: Config, missingNodes: readonly string[]): readonly Note[] {
  if (config?.enabled !== true) return [];
  const message = `external-gw-nodes of ConfigMap ovn-external-gw-config names nodes that do not exist: ${missingNodes.join(", ")}`;
  return [
    ...config.problems.map((problem): Note => ({ reason: "InvalidConfigMap", message: problem })),
    ...(missingNodes.length === 0 ? [] : [{ reason: "NodeNotFound", message }]),
  ];
}
