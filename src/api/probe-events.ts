// SPDX-License-Identifier: Apache-2.0

/** Reason of the Event of a Node that says that no probe from it fails any more. */
export const PROBES_SUCCEEDED = "ProbesSucceeded";

/** An Event about probes that keep failing is repeated after this time, in ms. */
export const PROBE_REPEAT_MS = 5 * 60_000;

/** Whether the reason of a prober's Event is that probes fail. */
export function isProbeFailure(reason: string): boolean {
  return /^Probe\w+Failed$/.test(reason);
}

/** Whether an Event about failing probes of `at` is the present state: neither ended by one about success of `succeededAt`, nor overdue for its repeat. Times in ms. */
export function stillFails(at: number, succeededAt: number | undefined, now: number): boolean {
  return now - at <= 2 * PROBE_REPEAT_MS && (succeededAt === undefined || succeededAt < at);
}
