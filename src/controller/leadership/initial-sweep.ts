// SPDX-License-Identifier: Apache-2.0

import { retryDelay } from "../../time/backoff.ts";
import type { Clock } from "../../time/clock.ts";
import { type SweepTools, sweepOnce } from "./sweep-once.ts";

/** The dependencies of the sweep of a new leader. */
export interface InitialSweepTools extends SweepTools {
  readonly clock: Clock;
  /** Whether this term of leadership has ended. */
  readonly over: () => boolean;
}

/** Sweeps once everything is compiled and committed. Retries until it succeeds or the term has ended. */
export async function initialSweep(tools: InitialSweepTools): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    await tools.engine.whenIdle();
    if (tools.over() || (await sweepOnce(tools))) return;
    await pause(tools.clock, attempt);
  }
}

/** Orphaned rows of units that could not be compiled stay until these compile; then they are swept as well. */
export async function sweepUncompiled(tools: InitialSweepTools): Promise<void> {
  const { engine, over, clock } = tools;
  if (engine.uncompiled.size === 0) return;
  for (let attempt = 1; ; attempt++) {
    await engine.whenCompiled();
    await engine.whenIdle();
    if (over() || (engine.uncompiled.size === 0 && (await sweepOnce(tools)))) return;
    await pause(clock, attempt);
    if (over()) return;
  }
}

function pause(clock: Clock, attempt: number): Promise<void> {
  return new Promise<void>((resolve) => void clock.after(retryDelay(attempt), resolve));
}
