// SPDX-License-Identifier: Apache-2.0

import { NodeContention } from "./contention.ts";
import type { DaemonMetrics } from "./metrics.ts";

/** Dependencies of {@link RepairReport}. */
export interface RepairDependencies {
  readonly metrics: Pick<DaemonMetrics, "repaired">;
  readonly log: { warn(fields: object, message: string): void };
  /** Records an Event on this node. */
  event(reason: string, message: string): void;
  /** Milliseconds of a monotonic clock. */
  now(): number;
}

/** Reasons of the Events on the Node. */
export const REPAIRED = "NodeNetworkRepaired";
const CONTENDED = "NodeNetworkContended";

/**
 * Counts restores of objects that another program had removed or changed on the node, reports them in the log and by
 * an Event on the Node, and returns how long to wait before the next restore.
 */
export class RepairReport {
  readonly #deps: RepairDependencies;
  readonly #contention: NodeContention;

  constructor(deps: RepairDependencies, contention = new NodeContention()) {
    this.#deps = deps;
    this.#contention = contention;
  }

  /**
   * @param repairs the restored objects, each as its kind and its name ("route 10.16.0.0/16 dev ovn0").
   * @returns ms to wait before the next restore; 0 without contention.
   */
  note(repairs: readonly string[]): number {
    const { metrics, log, event, now } = this.#deps;
    let pause = 0;
    for (const repair of new Set(repairs)) {
      metrics.repaired(repair.split(" ", 1)[0] ?? "");
      const { times, pauseMs } = this.#contention.note(repair, now());
      pause = Math.max(pause, pauseMs);
      if (pauseMs === 0) {
        log.warn({ repair }, "restored what another program had removed or changed on this node");
        event(REPAIRED, `restored what another program had removed or changed: ${repair}`);
        continue;
      }
      log.warn({ repair, times, pauseMs }, "another program keeps removing or changing this; backing off");
      // Without figures, so that repeats are counted as one Event.
      event(
        CONTENDED,
        `another program keeps removing or changing this, so it is restored only after a pause: ${repair}`,
      );
    }
    return pause;
  }
}
