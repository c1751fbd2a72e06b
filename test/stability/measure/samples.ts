// SPDX-License-Identifier: Apache-2.0

import type { Clock } from "../../../src/time/clock.ts";
import { textOf } from "../errors.ts";
import type { Actions } from "../scenarios/scenario.ts";

/** One atomic action of an iteration. */
export interface ActionSample {
  readonly name: string;
  readonly ms: number;
  readonly ok: boolean;
}

/** One iteration. Times are milliseconds of the run's clock. */
export interface Sample {
  readonly at: number;
  readonly ms: number;
  readonly ok: boolean;
  readonly error?: string;
  readonly actions: readonly ActionSample[];
}

/** The duration of a fault: from just before its injection until the affected part had recovered. */
export interface FaultSpan {
  /** The action: `kill ovn-controller on one node`. */
  readonly name: string;
  /** The affected part: `ovn-controller on weft-2`. */
  readonly hit: string;
  readonly begun: number;
  readonly ended: number;
}

/** The record of one load. */
export interface LoadRecord {
  /** In the order in which they began. */
  readonly samples: readonly Sample[];
  /** Iterations that were due but not begun. */
  readonly skipped: number;
  readonly spans: readonly FaultSpan[];
}

/** Maximum number of iterations that are kept of one load; the rest is counted as skipped. */
const MAX_SAMPLES = 400_000;

/** Records the iterations of one load. */
export class SampleRecorder {
  readonly #clock: Pick<Clock, "now">;
  readonly #samples: Sample[] = [];
  readonly #listeners = new Set<() => void>();
  #begun = 0;
  #skipped = 0;

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** Iterations begun so far. */
  get begun(): number {
    return this.#begun;
  }

  skip(): void {
    this.#skipped++;
  }

  /** Calls the listener when an iteration begins. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Runs one iteration; never rejects. */
  async iterate(work: (actions: Actions, n: number) => Promise<void>): Promise<void> {
    const n = ++this.#begun;
    for (const listener of this.#listeners) listener();
    const actions: ActionSample[] = [];
    const at = this.#clock.now();
    const finish = (error?: unknown): void => {
      const sample = { at, ms: this.#clock.now() - at, ok: error === undefined, actions };
      if (this.#samples.length >= MAX_SAMPLES) this.#skipped++;
      else this.#samples.push(error === undefined ? sample : { ...sample, error: textOf(error).slice(0, 300) });
    };
    try {
      await work(this.#actions(actions), n);
    } catch (error) {
      return finish(error ?? new Error("no reason given"));
    }
    finish();
  }

  #actions(into: ActionSample[]): Actions {
    return {
      measured: (name, ms) => void into.push({ name, ms, ok: true }),
      timed: async (name, work) => {
        const since = this.#clock.now();
        const add = (ok: boolean): void => void into.push({ name, ms: this.#clock.now() - since, ok });
        try {
          const result = await work();
          add(true);
          return result;
        } catch (error) {
          add(false);
          throw error;
        }
      },
    };
  }

  record(spans: readonly FaultSpan[]): LoadRecord {
    return { samples: this.#samples.toSorted((a, b) => a.at - b.at), skipped: this.#skipped, spans };
  }
}
