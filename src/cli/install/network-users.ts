// SPDX-License-Identifier: Apache-2.0

import { OVN_PROVIDER, podAnnotation } from "../../api/annotations.ts";
import type { Kube } from "../../kube/kube.ts";
import type { KubeObject } from "../../kube/object.ts";
import { listEach } from "../../kube/pages.ts";
import { PODS } from "../../kube/resources.ts";

interface Pod extends KubeObject {
  readonly spec?: { readonly nodeName?: string; readonly hostNetwork?: boolean };
  readonly status?: { readonly phase?: string };
}

/**
 * The pods that would lose their network with Weft: `namespace/name`, sorted. Without pods that use the node's
 * network or have ended.
 */
export async function networkUsers(kube: Kube): Promise<readonly string[]> {
  const users: string[] = [];
  const fieldSelector = "status.phase!=Succeeded,status.phase!=Failed";
  for await (const { metadata, spec = {} } of listEach<Pod>(kube, PODS, { fieldSelector })) {
    if (spec.hostNetwork === true || spec.nodeName === undefined) continue;
    if (metadata.annotations?.[ALLOCATED] === "true") users.push(`${metadata.namespace}/${metadata.name}`);
  }
  return users.sort();
}

const ALLOCATED = podAnnotation(OVN_PROVIDER, "allocated");
