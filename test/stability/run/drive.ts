// SPDX-License-Identifier: Apache-2.0

import type { Clock } from "../../../src/time/clock.ts";
import { asStabilityError, StabilityError } from "../errors.ts";
import { type FaultSpan, SampleRecorder } from "../measure/samples.ts";
import type { Prepared } from "../scenarios/scenario.ts";
import type { HookPlan, LoadPlan, RunPlan } from "../task/task.ts";
import { pauseOrAbort } from "./pause.ts";
import type { Stage } from "./stage.ts";

/** A prepared scenario, and its record. */
interface Driven {
  readonly plan: LoadPlan;
  readonly prepared: Prepared;
  readonly recorder: SampleRecorder;
}

/** The result of driving a run's load. */
export interface DriveResult {
  readonly begun: number;
  readonly spans: readonly FaultSpan[];
  readonly loads: readonly { readonly plan: LoadPlan; readonly recorder: SampleRecorder }[];
  /** Hooks that did not fire, or whose fault could not be injected or ended. */
  readonly problems: readonly StabilityError[];
}

/**
 * Drives the loads of a run in parallel and injects its faults. Rejects with StabilityError `scenario` if one cannot be prepared; later errors
 * are among the problems, so that measurements are not lost.
 */
export async function drive(run: RunPlan, stage: Stage): Promise<DriveResult> {
  const driven: Driven[] = [];
  try {
    for (const plan of run.loads) {
      const prepared = await plan.scenario.prepare(stage).catch((error: unknown) => {
        throw asStabilityError("scenario", `${plan.name} could not be prepared`, error);
      });
      driven.push({ plan, prepared, recorder: new SampleRecorder(stage.clock) });
    }
    return await driveAll(run, stage, driven);
  } finally {
    for (const { prepared, plan } of driven)
      await prepared.stop().catch((error: unknown) => stage.log(`${plan.name} did not stop: ${String(error)}`));
  }
}

async function driveAll(run: RunPlan, stage: Stage, driven: readonly Driven[]): Promise<DriveResult> {
  const { clock, signal } = stage;
  const begun = clock.now();
  const over = new AbortController();
  const hooks = new Hooks(run, stage, driven, begun, over.signal);
  const faults = hooks.run();
  await Promise.all(
    driven.map(({ plan, prepared, recorder }) =>
      plan.runner.run({
        clock,
        signal,
        random: stage.random,
        wanted: () => hooks.unsettled(run.settle * 1000),
        skip: () => recorder.skip(),
        next: () => recorder.iterate((actions, n) => prepared.iterate(actions, n)),
      }),
    ),
  );
  over.abort();
  await faults;
  return { begun, spans: hooks.spans, loads: driven, problems: hooks.problems };
}

/** The hooks of a run, from its beginning until all faults have ended. */
class Hooks {
  readonly spans: FaultSpan[] = [];
  readonly problems: StabilityError[] = [];
  readonly #run: RunPlan;
  readonly #stage: Stage;
  readonly #driven: readonly Driven[];
  readonly #begun: number;
  /** Aborted when the load is over. */
  readonly #over: AbortSignal;
  #active = 0;

  constructor(run: RunPlan, stage: Stage, driven: readonly Driven[], begun: number, over: AbortSignal) {
    this.#run = run;
    this.#stage = stage;
    this.#driven = driven;
    this.#begun = begun;
    this.#over = over;
  }

  /** Whether a fault lasts, or the last one ended less than `ms` milliseconds ago: time-based runners continue that long. */
  unsettled(ms: number): boolean {
    const ended = this.spans.at(-1)?.ended;
    return this.#active > 0 || (ended !== undefined && this.#stage.clock.now() < ended + ms);
  }

  /** Never rejects. */
  async run(): Promise<void> {
    await Promise.all(this.#run.hooks.map((hook) => this.#one(hook)));
  }

  async #one(hook: HookPlan): Promise<void> {
    const { fault, trigger, seconds } = hook;
    const { clock, signal } = this.#stage;
    try {
      if (!(await trigger.wait(this.#progress()))) {
        if (signal.aborted) return;
        const made = this.#driven
          .map(({ plan, recorder }) => `${plan.name} made ${recorder.begun} iterations`)
          .join(", ");
        const took = Math.round((clock.now() - this.#begun) / 1000);
        const message = `${fault.shown} never fired (${trigger.shown}): ${made} in ${took} s`;
        throw new StabilityError("trigger", message);
      }
      this.#active++;
      try {
        await this.#inject(fault, seconds);
      } finally {
        this.#active--;
      }
    } catch (error) {
      this.problems.push(asStabilityError("fault", fault.shown, error));
    }
  }

  async #inject(fault: HookPlan["fault"], seconds: number): Promise<void> {
    const { clock, signal, log } = this.#stage;
    const begun = clock.now();
    const injected = await fault.inject(this.#stage);
    log(`${fault.shown}: ${injected.hit}`);
    await pauseOrAbort(clock, seconds * 1000, signal);
    await injected.end();
    const ended = clock.now();
    log(`${fault.shown}: over after ${((ended - begun) / 1000).toFixed(1)} s`);
    this.spans.push({ name: fault.shown, hit: injected.hit, begun, ended });
  }

  #progress(): Parameters<HookPlan["trigger"]["wait"]>[0] {
    const named = (load?: string): Driven | undefined =>
      load === undefined ? this.#driven[0] : this.#driven.find(({ plan }) => plan.name === load);
    return {
      clock: this.#stage.clock,
      begun: this.#begun,
      signal: AbortSignal.any([this.#stage.signal, this.#over]),
      iterations: (load) => named(load)?.recorder.begun ?? 0,
      subscribe: (listener) => {
        const stops = this.#driven.map(({ recorder }) => recorder.subscribe(listener));
        return () => {
          for (const stop of stops) stop();
        };
      },
    };
  }
}

/** How long a target's death may stay undetected, in ms. */
const WATCH_MS = 2_000;

/** Calls `onLost` once when the target is found dead. The returned function ends that. */
export function watchTarget(
  target: { alive(): Promise<void> },
  clock: Pick<Clock, "after">,
  onLost: (error: unknown) => void,
): () => void {
  let cancel = (): void => {};
  let ended = false;
  const look = (): void => {
    cancel = clock.after(WATCH_MS, () => {
      target.alive().then(
        () => {
          if (!ended) look();
        },
        (error: unknown) => {
          if (!ended) onLost(error);
        },
      );
    });
  };
  look();
  return () => {
    ended = true;
    cancel();
  };
}
