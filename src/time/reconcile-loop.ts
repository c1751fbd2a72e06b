// SPDX-License-Identifier: Apache-2.0

import { backoffDelay } from "./backoff.ts";
import { type Clock, SYSTEM_CLOCK } from "./clock.ts";

/** Pauses of a loop, in milliseconds. */
export interface LoopLimits {
  /** After a failure; doubles up to `maxRetryMs`. */
  readonly firstRetryMs: number;
  readonly maxRetryMs: number;
  /** Between the end of a run and the next one, so that contention with another program over one setting stays cheap. */
  readonly restMs: number;
}

const DEFAULT_LIMITS: LoopLimits = { firstRetryMs: 500, maxRetryMs: 30_000, restMs: 50 };

/**
 * Reconciles something whenever its state may differ from the desired state. Triggers during a run, or in one turn of
 * the event loop, cause one further run; a failed run is retried after a pause, or at the next trigger.
 */
export class ReconcileLoop {
  readonly #run: () => Promise<void>;
  readonly #onError: (error: unknown, retryMs: number) => void;
  readonly #limits: LoopLimits;
  readonly #clock: Pick<Clock, "now" | "after">;
  /** Cancels the scheduled run. */
  #cancel: () => void = () => undefined;
  #due = Number.POSITIVE_INFINITY;
  #running: Promise<void> | undefined;
  #again = false;
  #stopped = false;
  #failures = 0;
  #ended = Number.NEGATIVE_INFINITY;
  #backOffMs = 0;
  #hurried = false;

  constructor(
    run: () => Promise<void>,
    onError: (error: unknown, retryMs: number) => void,
    limits: Partial<LoopLimits> = {},
    clock: Pick<Clock, "now" | "after"> = SYSTEM_CLOCK,
  ) {
    this.#run = run;
    this.#onError = onError;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    this.#clock = clock;
  }

  /** The actual state may have changed. Waits for the pause that `backOff` asked for. */
  trigger(): void {
    this.#trigger(Math.max(this.#limits.restMs, this.#backOffMs));
  }

  /** The desired state has changed: contention over another setting does not delay the run. */
  hurry(): void {
    this.#hurried = this.#running !== undefined;
    this.#trigger(this.#limits.restMs);
  }

  /**
   * Called during a run: the next run that `trigger` requests begins no sooner than `ms` after this one. It applies
   * to one pause.
   */
  backOff(ms: number): void {
    this.#backOffMs = ms;
  }

  #trigger(restMs: number): void {
    if (this.#running !== undefined) this.#again = true;
    else this.#schedule(Math.max(0, this.#ended + restMs - this.#clock.now()));
  }

  /** Starts no further run; resolves when the present one has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#running;
  }

  #schedule(delayMs: number): void {
    if (this.#stopped) return;
    const due = this.#clock.now() + delayMs;
    if (due >= this.#due) return;
    this.#cancel();
    this.#due = due;
    this.#cancel = this.#clock.after(delayMs, () => this.#start());
  }

  #start(): void {
    this.#due = Number.POSITIVE_INFINITY;
    this.#again = false;
    this.#hurried = false;
    this.#backOffMs = 0;
    this.#running = this.#once().finally(() => {
      this.#running = undefined;
      this.#ended = this.#clock.now();
      if (this.#hurried) this.hurry();
      else if (this.#again) this.trigger();
    });
  }

  async #once(): Promise<void> {
    try {
      await this.#run();
      this.#failures = 0;
    } catch (error) {
      const { firstRetryMs: firstMs, maxRetryMs: maxMs } = this.#limits;
      const retryMs = backoffDelay(++this.#failures, { firstMs, maxMs });
      this.#onError(error, retryMs);
      this.#schedule(retryMs);
    }
  }
}
