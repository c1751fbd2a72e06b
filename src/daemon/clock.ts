import { randomUUID } from "node:crypto";
import type { Clock } from "../kube/clock.ts";
import { systemClock } from "../ovsdb/clock.ts";

/** Time and chance, as the daemon uses them: a simulation owns them. */
export interface DaemonClock {
  /** Milliseconds of a clock that only goes forward: for pauses and durations. */
  now(): number;
  /** Milliseconds since the epoch: for what people and the API server read. */
  wall(): number;
  /** Calls `run` after `ms`; the function returned cancels that. */
  after(ms: number, run: () => void): () => void;
  /** In [0, 1). */
  random(): number;
  /** The uuid of a new row. */
  uuid(): string;
}

/** The machine's. */
export const MACHINE_CLOCK: DaemonClock = { ...systemClock, wall: () => Date.now(), uuid: () => randomUUID() };

/** The same clock as informers and Events use it: they tell times of day. */
export function kubeClock(clock: DaemonClock): Clock {
  return { now: () => clock.wall(), after: (ms, run) => clock.after(ms, run) };
}
