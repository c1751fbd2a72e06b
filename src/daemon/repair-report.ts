import { Contention } from "./contention.ts";
import type { DaemonMetrics } from "./metrics.ts";

/** Whom repairs are told. */
export interface RepairWorld {
  readonly metrics: Pick<DaemonMetrics, "repaired">;
  readonly log: { warn(fields: object, message: string): void };
  /** Records an Event on this node. */
  event(reason: string, message: string): void;
  /** Milliseconds of a clock that only goes forward. */
  now(): number;
}

/** Reasons of the Events on the Node. */
export const REPAIRED = "NodeNetworkRepaired";
export const CONTENDED = "NodeNetworkContended";

/**
 * Counts what was put back on the node because another program had removed or changed it, says so in the log and by an Event on the Node, and
 * says how long to wait before the next repair.
 */
export class RepairReport {
  readonly #world: RepairWorld;
  readonly #contention: Contention;

  constructor(world: RepairWorld, contention = new Contention()) {
    this.#world = world;
    this.#contention = contention;
  }

  /**
   * @param repairs what was put back, each as a word for its kind and which it was ("route 10.16.0.0/16 dev ovn0").
   * @returns ms to wait before things are put back again; 0 where nothing is fought over.
   */
  note(repairs: readonly string[]): number {
    const { metrics, log, event, now } = this.#world;
    let pause = 0;
    for (const repair of new Set(repairs)) {
      metrics.repaired(repair.split(" ", 1)[0] ?? "");
      const { times, pauseMs } = this.#contention.note(repair, now());
      pause = Math.max(pause, pauseMs);
      if (pauseMs === 0) {
        log.warn({ repair }, "put back what another program had removed or changed on this node");
        event(REPAIRED, `put back what another program had removed or changed: ${repair}`);
        continue;
      }
      log.warn({ repair, times, pauseMs }, "another program removes or changes this again and again; backing off");
      // Without figures, so that repeats are counted as one Event.
      event(
        CONTENDED,
        `another program removes or changes this again and again, so it is put back only after a pause: ${repair}`,
      );
    }
    return pause;
  }
}
