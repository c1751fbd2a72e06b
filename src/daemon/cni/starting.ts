// SPDX-License-Identifier: Apache-2.0

import { CNI_ERROR } from "../../api/cni-message.ts";
import { type Clock, SYSTEM_CLOCK } from "../../time/clock.ts";
import type { Ports } from "../ovs/ports.ts";
import { CniError } from "./cni-error.ts";
import { secondsText, withDeadline } from "./with-deadline.ts";

/**
 * How long a request other than ADD waits, in ms: less than the shim waits for its answer (`src/cni/plugin.ts`), with time left for the work itself.
 */
export const CONNECTED_MS = 20_000;

/** Dependencies of {@link whenConnected}. */
export interface ConnectedDependencies {
  readonly ports: Pick<Ports, "whenConnected">;
  /** Why pods cannot get a network on this node; undefined if they can. */
  notReady(): string | undefined;
  /** Fires when the daemon shuts down. */
  readonly stopping: AbortSignal;
  /** Default: the system's clock. */
  readonly clock?: Clock;
}

/** Dependencies of {@link whenStarted}. */
export interface StartedDependencies extends ConnectedDependencies {
  /** Resolves when the daemon has determined this node's tunnel addresses and MTU, or that they cannot be; the signal's reason when that fires. */
  whenTunnelsKnown(signal: AbortSignal): Promise<void>;
}

/**
 * Waits, by event, until Open vSwitch's database is known: a daemon that has just started does not know it yet, and kubelet would repeat a request that fails only after 10 to
 * 15 s (`backOffPeriod` of pkg/kubelet/kubelet.go, with jitter). Until then no port of a pod can be found, so none of the verbs may say that there is none.
 * @param ms the longest wait.
 * @throws CniError 11 that says what is missing after `ms`, or that the daemon shuts down; the signal's reason when that fires.
 */
export async function whenConnected(deps: ConnectedDependencies, ms: number, outer: AbortSignal): Promise<void> {
  await waited(deps, ms, outer, (signal) => deps.ports.whenConnected(signal));
}

/** As {@link whenConnected}, and until everything else is known that an interface of a pod depends on. */
export async function whenStarted(deps: StartedDependencies, ms: number, outer: AbortSignal): Promise<void> {
  await waited(deps, ms, outer, async (signal) => {
    await deps.ports.whenConnected(signal);
    await deps.whenTunnelsKnown(signal);
  });
}

async function waited(
  deps: ConnectedDependencies,
  ms: number,
  outer: AbortSignal,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const late = (): CniError =>
    new CniError(
      CNI_ERROR.tryAgainLater,
      `weft-daemon is not ready after ${secondsText(ms)}: ${deps.notReady() ?? "not connected to Open vSwitch's database on this node"}`,
      { details: "see the logs of this node's pods of the DaemonSets kube-ovn-cni and ovs-ovn" },
    );
  try {
    await withDeadline(ms, AbortSignal.any([outer, deps.stopping]), work, late, deps.clock ?? SYSTEM_CLOCK);
  } catch (thrown) {
    throw deps.stopping.aborted ? CniError.from(thrown, "waiting for this node", CNI_ERROR.tryAgainLater) : thrown;
  }
}
