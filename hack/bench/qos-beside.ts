// SPDX-License-Identifier: Apache-2.0

import { availableParallelism } from "node:os";
import type { Arrived } from "../traffic/flow.ts";
import { busyMs } from "./controller-load.ts";

/** TCP of a pod without limits while ten others receive datagrams. */
export interface Beside {
  /** Mbit/s, each turn: the ten have a limit, which a third of what is sent to them exceeds. */
  readonly limited: readonly number[];
  /** The same datagrams to pods without a limit. */
  readonly unlimited: readonly number[];
  /** Share of the machine's processors that nothing used meanwhile, 0 to 1: where it is 0, senders and receivers share what there is. */
  readonly idle: number;
}

const TURNS = 6;

/**
 * Compares, in turns, TCP beside datagrams to pods with and without a limit. The datagrams are the same, because on a small machine their sender takes
 * processor time from TCP, limit or not.
 */
export async function measureBeside(
  tcp: () => Promise<Arrived>,
  datagrams: (to: "limited" | "unlimited") => readonly Promise<Arrived>[],
): Promise<Beside> {
  const found: Record<"limited" | "unlimited", number[]> = { limited: [], unlimited: [] };
  const [before, began] = [busyMs(), performance.now()];
  for (let turn = 0; turn < TURNS; turn++) {
    // Which comes first alternates: what changes with time favours neither.
    for (const kind of turn % 2 === 0 ? (["limited", "unlimited"] as const) : (["unlimited", "limited"] as const)) {
      const [{ mbit, seconds }] = await Promise.all([tcp(), ...datagrams(kind)]);
      found[kind].push(mbit / seconds);
    }
  }
  const share = (busyMs() - before) / ((performance.now() - began) * availableParallelism());
  return { ...found, idle: Math.max(0, 1 - share) };
}
