// SPDX-License-Identifier: Apache-2.0

import { type Clock, SYSTEM_CLOCK } from "../time/clock.ts";
import { formatMicroTime } from "../time/rfc3339.ts";
import { KubeError, unlessNotFound } from "./errors.ts";
import type { CallOptions, Kube } from "./kube.ts";
import { LEASES } from "./resources.ts";
import type { Lease } from "./types.ts";

/** The leading process according to the Lease, which is for users. The election itself is a lock in OVSDB. */
export interface LeaseView {
  /** Empty if no process leads. */
  readonly holder: string;
  /** RFC 3339; undefined if the Lease does not have it. */
  readonly acquiredAt: string | undefined;
  readonly renewedAt: string | undefined;
  /** How often the leader has changed. */
  readonly transitions: number;
  /** Seconds without a renewal after which the holder should be considered gone. */
  readonly durationSeconds: number | undefined;
}

/** Options of {@link publishLease}. */
export interface LeaseOptions {
  readonly namespace: string;
  readonly name: string;
  /** The name of the leading pod. */
  readonly holder: string;
  /** How often the renew time is written; default 15 s. The lease's duration is four times as long. */
  readonly renewMs?: number;
  /** A write failed; it is retried at the next renewal. Must not throw. */
  readonly onError?: (error: KubeError) => void;
  readonly clock?: Clock;
  /** Nothing is written before it has settled: the release of an earlier term, which would remove the holder again. */
  readonly after?: Promise<void>;
}

/** A Lease that is kept up to date. */
export interface PublishedLease {
  /**
   * Ends the renewals and, if the Lease still names this process, removes the holder, so that no candidate waits for
   * it. Takes at most `deadlineMs` (default 2 s). Never rejects.
   */
  stop(deadlineMs?: number): Promise<void>;
}

/** Reads the leader; undefined if there is no such Lease. */
export async function readLease(
  kube: Kube,
  ref: { readonly namespace: string; readonly name: string },
  options?: CallOptions,
): Promise<LeaseView | undefined> {
  const lease = await find(kube, ref, options);
  if (lease === undefined) return undefined;
  return {
    holder: lease.spec?.holderIdentity ?? "",
    acquiredAt: lease.spec?.acquireTime,
    renewedAt: lease.spec?.renewTime,
    transitions: lease.spec?.leaseTransitions ?? 0,
    durationSeconds: lease.spec?.leaseDurationSeconds,
  };
}

/**
 * Shows in a Lease (coordination.k8s.io/v1) that `holder` has been elected, from now until `stop()`. Takes the Lease
 * over from its holder once, then renews it, and takes it again if it has no holder. If another process takes it
 * over, it is not changed any more: that process was elected later.
 */
export function publishLease(kube: Kube, options: LeaseOptions): PublishedLease {
  const clock = options.clock ?? SYSTEM_CLOCK;
  const renewMs = options.renewMs ?? 15_000;
  const leaseDurationSeconds = Math.ceil((renewMs * 4) / 1_000);
  const ref = { namespace: options.namespace, name: options.name };
  const ending = new AbortController();
  const { signal } = ending;
  let stopped = false;
  let tried = false;
  let taken = false;
  let cancelTimer: () => void = () => undefined;

  async function takeOver(): Promise<void> {
    const now = formatMicroTime(clock.wall());
    const spec = { holderIdentity: options.holder, leaseDurationSeconds, acquireTime: now, renewTime: now };
    const found = await find(kube, ref, { signal });
    tried = true;
    if (found === undefined) {
      const lease = { metadata: ref, spec: { ...spec, leaseTransitions: 0 } };
      await kube.create<Lease>(LEASES, lease, { signal, metadataOnly: true });
    } else {
      const before = found.spec?.leaseTransitions ?? 0;
      const leaseTransitions = found.spec?.holderIdentity === options.holder ? before : before + 1;
      await write({ ...spec, leaseTransitions }, found.metadata.resourceVersion);
    }
    taken = true;
  }

  async function renew(): Promise<void> {
    const found = await find(kube, ref, { signal });
    const holder = found?.spec?.holderIdentity ?? "";
    // Another client deleted it, or released it late.
    if (found === undefined || holder === "") return await takeOver();
    if (holder !== options.holder) return;
    const renewTime = formatMicroTime(clock.wall());
    await write({ renewTime, leaseDurationSeconds }, found.metadata.resourceVersion);
  }

  async function write(spec: object, resourceVersion: string): Promise<void> {
    const body = { metadata: { resourceVersion }, spec };
    await kube.patch(LEASES, ref, { type: "merge", body }, { signal, metadataOnly: true });
  }

  async function release(): Promise<void> {
    const found = await find(kube, ref, { signal });
    if (found?.spec?.holderIdentity !== options.holder) return;
    // As in client-go: no holder instead of an empty one.
    await write({ holderIdentity: null }, found.metadata.resourceVersion);
  }

  async function attempt(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      options.onError?.(KubeError.from(error, `lease ${options.name}`));
    }
  }

  async function step(): Promise<void> {
    await attempt(taken ? renew : takeOver);
    if (stopped) return;
    cancelTimer = clock.after(renewMs, () => {
      running = step();
    });
  }
  async function begin(): Promise<void> {
    await options.after;
    if (!stopped) await step();
  }
  let running = options.after === undefined ? step() : begin();

  return {
    async stop(deadlineMs = 2_000) {
      if (stopped) return;
      stopped = true;
      cancelTimer();
      const cancelDeadline = clock.after(deadlineMs, () =>
        ending.abort(new KubeError("timeout", `lease ${options.name}: no answer in time`)),
      );
      // The running write must end first: it could take effect after the release.
      await running;
      if (tried) await attempt(release);
      cancelDeadline();
    },
  };
}

function find(
  kube: Kube,
  ref: { readonly namespace: string; readonly name: string },
  options?: CallOptions,
): Promise<Lease | undefined> {
  return kube.get<Lease>(LEASES, ref, options).catch(unlessNotFound);
}
