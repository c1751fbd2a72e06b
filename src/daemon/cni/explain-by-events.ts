// SPDX-License-Identifier: Apache-2.0

import { OVN_PROVIDER } from "../../api/annotations.ts";
import type { Kube } from "../../kube/kube.ts";
import { EVENTS } from "../../kube/resources.ts";
import type { KubeEvent } from "../../kube/types.ts";
import type { Explain } from "./await-allocation.ts";

/** The request has already failed; its response must not be delayed much longer. */
const DEADLINE_MS = 2_000;
const MAX_EVENTS = 50;
/** Kube-OVN's reason for a pod that gets no address. */
const NO_ADDRESS = "AcquireAddressFailed";

/**
 * The controller's latest warning about a pod, from its Events: about the requested interface if there is one, else about the pod, else about another interface.
 * Among equals a warning about its address has priority over others, such as those about annotations without effect.
 */
export function explainByEvents(kube: Kube, component: string): Explain {
  return async (pod, { provider, ifName }) => {
    const own: readonly (string | undefined)[] =
      provider === OVN_PROVIDER ? [undefined] : [provider, `${provider}.${ifName}`];
    const rank = ({ reason, message = "" }: KubeEvent): number => {
      const subject = subjectOf(message);
      const isAddress = reason === NO_ADDRESS ? 1 : 0;
      if (own.includes(subject)) return 4 + isAddress;
      // A network that cannot be read is identified by its NetworkAttachmentDefinition.
      return (subject === undefined || subject.includes("/") ? 2 : 0) + isAddress;
    };
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
        .toSorted((a, b) => rank(a) - rank(b) || (a.lastTimestamp ?? "").localeCompare(b.lastTimestamp ?? ""))
        .at(-1);
      return latest === undefined ? undefined : `${latest.reason ?? "Warning"}: ${latest.message ?? ""}`;
    } catch {
      // The reason would only have made the error clearer.
      return undefined;
    }
  };
}

/**
 * The interface that a warning is about, by the message's prefix (`src/controller/allocation/refusals.ts`);
 * undefined: the primary interface, or the pod.
 */
function subjectOf(message: string): string | undefined {
  return /^(?:\w+: )?Interface "([^"]+)": /.exec(message)?.[1];
}
