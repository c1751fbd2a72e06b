// SPDX-License-Identifier: Apache-2.0

import type { Kube } from "../../kube/kube.ts";
import { EVENTS } from "../../kube/resources.ts";
import type { KubeEvent } from "../../kube/types.ts";
import type { Explain } from "./await-allocation.ts";

/** The request has failed already; its answer must not wait long for a reason. */
const DEADLINE_MS = 2_000;
const MAX_EVENTS = 50;

/** The controller's latest warning about a pod, from its Events. */
export function explainByEvents(kube: Kube, component: string): Explain {
  return async (pod) => {
    const uid = pod.uids[0] ?? "";
    try {
      const { items } = await kube.list<KubeEvent>(EVENTS, {
        namespace: pod.namespace,
        fieldSelector: `involvedObject.uid=${uid},type=Warning`,
        limit: MAX_EVENTS,
        deadlineMs: DEADLINE_MS,
      });
      const latest = items
        .filter((event) => event.source?.component === component || event.reportingComponent === component)
        .toSorted((a, b) => (a.lastTimestamp ?? "").localeCompare(b.lastTimestamp ?? ""))
        .at(-1);
      return latest === undefined ? undefined : `${latest.reason ?? "Warning"}: ${latest.message ?? ""}`;
    } catch {
      // It would only have made the error clearer.
      return undefined;
    }
  };
}
