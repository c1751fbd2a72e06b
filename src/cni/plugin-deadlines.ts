// SPDX-License-Identifier: Apache-2.0

import type { CniVerb } from "../api/cni-message.ts";

/**
 * How long each verb waits for the daemon. An ADD tells the daemon, whose own deadlines together are shorter (`src/daemon/cni/add-deadlines.ts`), so that its more specific error
 * arrives first; this one is for a daemon that hangs.
 */
export const PLUGIN_DEADLINE_MS: Readonly<Record<CniVerb, number>> = {
  add: 90_000,
  del: 60_000,
  check: 30_000,
  status: 10_000,
  gc: 60_000,
};

/**
 * How long ADD and DEL wait for a daemon that does not run, or ends before it has answered, for example because it is replaced: kubelet tries a pod again only 10 to
 * 15 s after a failure (`backOffPeriod` of pkg/kubelet/kubelet.go, with jitter). Both can be repeated: a daemon removes what its predecessor has left of the same request.
 */
export const DAEMON_ABSENT_MS = 30_000;

/** Between two attempts. No event tells when a daemon listens: the file of its socket exists before that. */
export const ATTEMPT_PAUSE_MS = 200;

/** An ADD that failed sooner would be repeated too often. */
export const SOON_AFTER_MS = 5_000;
