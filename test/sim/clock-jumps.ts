// SPDX-License-Identifier: Apache-2.0

import { API_SERVER } from "./machine-clocks.ts";
import type { Random } from "./random.ts";
import type { Action, ClockAction } from "./script.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Nodes have daemons in half of the runs. */
export function clocksAtFirst(random: Random): Action[] {
  return random.chance(0.5) ? [{ at: 0, do: "daemons" }] : [];
}

/** The clock of one machine is set, or of all of them, as when their time server is wrong. Half of them are never set right again. */
export function clockJump(random: Random, at: number, replicas: number): Action[] {
  const machines = [API_SERVER, ...Array.from({ length: replicas }, (_, i) => `c${i}`), "n1", "n2", "n3"];
  const by = random.pick([5 * SECOND, 3 * MINUTE, HOUR, HOUR, 30 * 24 * HOUR]) * random.pick([1, -1]);
  const until = random.chance(0.5) ? { for: random.int(SECOND, 40 * SECOND) } : {};
  const set = (machine: string): ClockAction & Action => ({ at, do: "clock-jump", machine, by, ...until });
  return random.chance(0.25) ? machines.map(set) : [set(random.pick(machines))];
}
