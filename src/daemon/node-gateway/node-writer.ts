// SPDX-License-Identifier: Apache-2.0

import { NODE } from "../../api/annotations.ts";
import type { Kube } from "../../kube/kube.ts";
import { NODES } from "../../kube/resources.ts";
import { formatTime } from "../../time/rfc3339.ts";

/** Writes this node's chassis in OVN to the Node. */
export async function annotateChassis(kube: Kube, name: string, chassis: string): Promise<void> {
  const body = { metadata: { annotations: { [NODE.chassis]: chassis } } };
  await kube.patch(NODES, { name }, { type: "merge", body }, { metadataOnly: true });
}

/** Writes the chassis that this node does not reach; undefined: none. */
export async function annotateUnreachable(kube: Kube, name: string, chassis: string | undefined): Promise<void> {
  const body = { metadata: { annotations: { [NODE.unreachable]: chassis ?? null } } };
  await kube.patch(NODES, { name }, { type: "merge", body }, { metadataOnly: true });
}

/** Writes which networks outside this node is connected to; undefined: nothing is to be said of any. */
export async function annotateUplinks(kube: Kube, name: string, text: string | undefined): Promise<void> {
  const body = { metadata: { annotations: { [NODE.uplinks]: text ?? null } } };
  await kube.patch(NODES, { name }, { type: "merge", body }, { metadataOnly: true });
}

/**
 * Reports that the node's network works, at `now` (ms since the epoch): without it a cloud's node controller keeps
 * pods away.
 */
export async function setNetworkAvailable(kube: Kube, name: string, now: number): Promise<void> {
  const time = formatTime(now);
  const condition = {
    type: "NetworkUnavailable",
    status: "False",
    reason: "WeftIsReady",
    message: "weft-daemon has set up ovn0 on this node",
    lastHeartbeatTime: time,
    lastTransitionTime: time,
  };
  // By server-side apply, which merges conditions by type: a merge patch would replace kubelet's.
  const body = { apiVersion: "v1", kind: "Node", metadata: { name }, status: { conditions: [condition] } };
  await kube.patch(
    NODES,
    { name },
    { type: "apply", body, fieldManager: "weft-daemon", force: true },
    { subresource: "status", metadataOnly: true },
  );
}
