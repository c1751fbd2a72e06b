// SPDX-License-Identifier: Apache-2.0

import { EXTERNAL_GATEWAY_LABEL, NODE, NODE_EIP_LABEL } from "../../api/annotations.ts";
import { EXTERNAL_GATEWAY_CONFIG } from "../../facts/external-config.ts";
import type { NodeFact } from "../../facts/node.ts";
import type { FactReader } from "../../facts/store.ts";
import type { PatchObjectEffect } from "../effects.ts";
import { hasAddress } from "../nat/node-eip-chassis.ts";
import { patchObject } from "../owned-object.ts";

/** Whether ConfigMap `ovn-external-gw-config` names a node as a host of routers' ports in external subnets. */
export function isConfiguredGateway(reader: FactReader, node: string): boolean {
  const config = reader.get("externalGatewayConfigs", EXTERNAL_GATEWAY_CONFIG);
  return config?.enabled === true && config.nodes.includes(node);
}

/**
 * The effect that gives a node the label of such hosts, and takes it away when the ConfigMap does not name the node any more: as in Kube-OVN its value is then
 * `false`. An annotation records that the label is Weft's; a user's label stays.
 */
export function labelGateway(node: NodeFact, wanted: boolean): readonly PatchObjectEffect[] {
  const { name, labels, annotations } = node;
  const own = annotations[NODE.externalGateway] !== undefined;
  const isLabelled = labels[EXTERNAL_GATEWAY_LABEL] === "true";
  if (wanted ? isLabelled : !own) return [];
  const metadata = {
    name,
    labels: { [EXTERNAL_GATEWAY_LABEL]: String(wanted) },
    annotations: { [NODE.externalGateway]: wanted ? "true" : null },
  };
  const effect = patchObject("nodes", node, { metadata });
  // Beside the labels about networks outside, which are another effect.
  return [{ ...effect, key: `${effect.key}/external-gateway` }];
}

/** Whether the node has an address of its own in an external subnet: an OvnEip of type `lsp` with its name. */
export function hasNodeEip(reader: FactReader, node: string): boolean {
  return hasAddress(reader.get("ovnEips", node));
}

/** The effect that labels such a node; when it has none any more, the value is `false`, as in Kube-OVN. */
export function labelNodeEip(node: NodeFact, has: boolean): readonly PatchObjectEffect[] {
  const present = node.labels[NODE_EIP_LABEL];
  if (has ? present === "true" : present !== "true") return [];
  const effect = patchObject("nodes", node, {
    metadata: { name: node.name, labels: { [NODE_EIP_LABEL]: String(has) } },
  });
  return [{ ...effect, key: `${effect.key}/node-eip` }];
}
