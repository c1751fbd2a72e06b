// SPDX-License-Identifier: Apache-2.0

import type { PodRequest } from "./request.ts";
import type { Stopwatch } from "./stopwatch.ts";

/**
 * How long a caller waits that does not say it, as Kube-OVN's shim. The runtime has no limit of its own (containerd, cri-o); kubelet gives it 4 minutes
 * for a sandbox (twice `runtimeRequestTimeout`, `RunPodSandbox` in staging/src/k8s.io/cri-client/pkg/remote_runtime.go).
 */
const DEFAULT_TIMEOUT_MS = 90_000;

/** Of that time, what is kept for the rollback: the transaction that removes the port may take 10 s (`src/daemon/ovs/ovs-ports.ts`). */
const ROLLBACK_MS = 15_000;

/**
 * The deadline of one step of an ADD, in ms from now: `ms`, or what is left of the time that its caller waits, if that is less. So the sum of the steps'
 * deadlines does not matter: the caller gets the error of the step that was late, and not its own, which knows no reason. The time runs since the request
 * arrived, so it includes the wait for an earlier request of the same container.
 */
export function withinBudget(
  ms: number,
  { timeoutMs = DEFAULT_TIMEOUT_MS }: Pick<PodRequest, "timeoutMs">,
  { total }: Pick<Stopwatch, "total">,
): number {
  const waits = timeoutMs - Math.min(ROLLBACK_MS, timeoutMs / 2);
  return Math.max(Math.min(ms, waits - total), 0);
}
