// SPDX-License-Identifier: Apache-2.0

import { OVN_PROVIDER, podAnnotation } from "../../api/annotations.ts";
import type { Kube } from "../../kube/kube.ts";
import type { KubeObject } from "../../kube/object.ts";
import { listEach } from "../../kube/pages.ts";
import { PODS } from "../../kube/resources.ts";
import { isProber } from "./probers.ts";

interface Pod extends KubeObject {
  readonly spec?: { readonly nodeName?: string; readonly hostNetwork?: boolean };
  readonly status?: { readonly phase?: string };
}

/**
 * The pods that would lose their network with Weft: `namespace/name`, sorted. Without pods that use the node's
 * network or have ended, and without Weft's own. `own`: Weft's namespace.
 */
export async function networkUsers(kube: Kube, own: string): Promise<readonly string[]> {
  const users: string[] = [];
  const fieldSelector = "status.phase!=Succeeded,status.phase!=Failed";
  for await (const pod of listEach<Pod>(kube, PODS, { fieldSelector })) {
    const { metadata, spec = {} } = pod;
    if (isProber(pod, own)) continue;
    if (spec.hostNetwork === true || spec.nodeName === undefined) continue;
    if (metadata.annotations?.[ALLOCATED] === "true") users.push(`${metadata.namespace}/${metadata.name}`);
  }
  return users.sort();
}

const ALLOCATED = podAnnotation(OVN_PROVIDER, "allocated");
