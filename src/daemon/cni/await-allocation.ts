// SPDX-License-Identifier: Apache-2.0

import { OVN_PROVIDER, podAnnotation } from "../../api/annotations.ts";
import { CNI_ERROR } from "../../api/cni-message.ts";
import { type Watched, waitFor } from "../../kube/wait.ts";
import { type Clock, SYSTEM_CLOCK } from "../../time/clock.ts";
import type { NodePod } from "../pods/pods.ts";
import { type Allocation, readAllocation } from "./allocation.ts";
import { CniError } from "./cni-error.ts";
import type { PodRequest } from "./request.ts";
import { secondsText } from "./with-deadline.ts";

/** The part of the pod informer that {@link awaitAllocation} uses. */
export interface PodSource extends Watched<NodePod> {
  readonly synced: boolean;
  whenSynced(signal?: AbortSignal): Promise<void>;
}

/** How long a request waits, in ms from its start. */
export interface AllocationDeadlines {
  /** For the controller to allocate. */
  readonly allocatedMs: number;
  /** For the pod to appear in this node's list: kubelet may have received it earlier. */
  readonly knownMs: number;
}

/**
 * Long enough for a restart of the controller, short enough that the reason for a refusal soon appears in the pod's
 * Events.
 */
export const DEFAULT_ALLOCATION_DEADLINES: AllocationDeadlines = { allocatedMs: 30_000, knownMs: 10_000 };

/**
 * Why the controller has not allocated an interface of a pod, if it reports a reason, for example by an Event on the
 * pod. Must not throw.
 */
export type Explain = (
  pod: Pick<NodePod, "namespace" | "uids">,
  request: Pick<PodRequest, "provider" | "ifName">,
) => Promise<string | undefined>;

/** The pod that a request is about, and what the controller has allocated. */
export interface FoundAllocation {
  readonly pod: NodePod;
  readonly allocation: Allocation;
}

/**
 * Waits, by event, until the controller has allocated the requested interface.
 *
 * A pod of the same name with another uid is a different pod: the runtime's request is for the sandbox of a pod that
 * is not in the list yet, or is already gone.
 * @throws CniError 3 if the pod is gone or never appears, 11 if the controller does not allocate in time.
 */
export async function awaitAllocation(
  pods: PodSource,
  request: PodRequest,
  options: {
    deadlines: AllocationDeadlines;
    explain: Explain;
    signal: AbortSignal;
    onWait: (what: "address" | "route") => void;
    clock?: Pick<Clock, "after">;
  },
): Promise<FoundAllocation> {
  const name = `${request.podNamespace}/${request.podName}`;
  let last: NodePod | undefined;
  let missing: "address" | "route" = "address";
  const pick = (fact: NodePod | undefined): FoundAllocation | undefined => {
    if (fact === undefined || !isRequestedPod(fact, request)) {
      if (last === undefined) return undefined;
      throw new CniError(CNI_ERROR.unknownContainer, `pod ${name} was deleted while its network was being set up`);
    }
    last = fact;
    const state = readAllocation(fact, request);
    if (state.state === "ready") return { pod: fact, allocation: state.allocation };
    missing = state.missing;
    options.onWait(missing);
    return undefined;
  };

  // The caller's signal ends the wait as well.
  const deadline = new AbortController();
  const { clock = SYSTEM_CLOCK, deadlines } = options;
  const cancels = [
    clock.after(deadlines.allocatedMs, () => deadline.abort()),
    clock.after(deadlines.knownMs, () => {
      if (last === undefined && pods.synced) deadline.abort();
    }),
  ];
  const signal = AbortSignal.any([deadline.signal, options.signal]);
  try {
    if (!pods.synced) await pods.whenSynced(signal);
    return await waitFor(pods, name, pick, signal);
  } catch (thrown) {
    if (!deadline.signal.aborted || options.signal.aborted) throw thrown;
    if (last !== undefined) throw await notAllocated(last, request, missing, options);
    throw pods.synced ? podUnknown(name, pods.get(name), request) : notSynced();
  } finally {
    for (const cancel of cancels) cancel();
  }
}

/** Whether this is the requested pod, and not another one of the same name. */
export function isRequestedPod(fact: NodePod, request: PodRequest): boolean {
  return request.podUid === undefined || fact.uids.includes(request.podUid);
}

async function notAllocated(
  pod: NodePod,
  request: PodRequest,
  missing: "address" | "route",
  options: { deadlines: AllocationDeadlines; explain: Explain },
): Promise<CniError> {
  const { provider } = request;
  const reason = await options.explain(pod, request);
  const what = missing === "address" ? "no address" : "an address but no route";
  const network = provider === OVN_PROVIDER ? "" : ` for provider ${provider}`;
  const see = `see "kubectl describe pod -n ${pod.namespace} ${pod.name}" and the log of Deployment kube-ovn-controller`;
  return new CniError(
    CNI_ERROR.tryAgainLater,
    `pod ${pod.namespace}/${pod.name} got ${what}${network} from the controller within ${secondsText(options.deadlines.allocatedMs)}${reason === undefined ? "" : `: ${reason}`}`,
    { details: provider === OVN_PROVIDER || reason !== undefined ? see : `${providerHint(pod, provider)}; ${see}` },
  );
}

/** The usual cause is a provider that is spelled differently in different places. */
function providerHint(pod: NodePod, provider: string): string {
  const suffix = podAnnotation("", "allocated");
  const has = Object.keys(pod.annotations)
    .filter((key) => key.endsWith(suffix))
    .map((key) => key.slice(0, -suffix.length));
  return [
    `the annotation ${podAnnotation(provider, "allocated")} is missing`,
    "the pod must name the NetworkAttachmentDefinition in k8s.v1.cni.cncf.io/networks",
    `its configuration and a Subnet's spec.provider must both say ${provider}`,
    `the pod has networks of providers ${has.length === 0 ? "(none)" : has.toSorted().join(", ")}`,
  ].join("; ");
}

/** The requested pod does not exist, or another pod has its name. */
export function podUnknown(name: string, other: NodePod | undefined, request: PodRequest): CniError {
  const why =
    other === undefined
      ? "it does not exist on this node"
      : `the pod of that name has uid ${other.uids.join("/")}, the request is for ${request.podUid}`;
  return new CniError(CNI_ERROR.unknownContainer, `pod ${name} is unknown: ${why}`);
}

/** Error while the list of pods is not complete. */
export function notSynced(): CniError {
  return new CniError(CNI_ERROR.tryAgainLater, "weft-daemon has not listed this node's pods from the API server yet", {
    details: "see the log of this node's pod of DaemonSet kube-ovn-cni",
  });
}
