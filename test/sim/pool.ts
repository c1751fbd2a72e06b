// SPDX-License-Identifier: Apache-2.0

import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { Extra } from "./extra-actions.ts";
import type { RunOutcome } from "./run.ts";
import type { Script } from "./script.ts";

/** One run for a worker: of a seed, or of a given script. */
export interface Job {
  readonly seed: number;
  readonly script?: Script;
  /** Additions to the script, see `extra-actions.ts`. */
  readonly extras?: readonly Extra[];
  /** The mutation, see `mutations.ts`. */
  readonly mutation?: string;
  /** As in `SimulationOptions`. */
  readonly untilViolation?: boolean;
}

/** How a job ended, and how long it took. */
export interface Done {
  readonly job: Job;
  readonly outcome: RunOutcome;
  /** Real time in ms. */
  readonly ms: number;
}

/** The input of a worker, and its answer. */
export type WorkerAnswer = { readonly done: Done } | { readonly error: string };

/** As many parallel runs as the machine has processors. */
export const DEFAULT_JOBS = availableParallelism();

/** Threads that wait for jobs, because loading the controller takes seconds. They do not keep the process alive. */
const idle: Worker[] = [];

/**
 * Runs jobs on a number of worker threads, each thread one after the other; `onDone` is called in the order in which they end,
 * and ends everything by returning false. Rejects if a worker itself fails: that is a fault of the simulation.
 */
export async function runAll(jobs: Iterable<Job>, parallel: number, onDone: (done: Done) => boolean): Promise<void> {
  const queue = jobs[Symbol.iterator]();
  let open = true;
  const work = async (): Promise<void> => {
    const worker = idle.pop() ?? new Worker(new URL("./worker.ts", import.meta.url));
    worker.ref();
    try {
      for (let next = queue.next(); open && next.done !== true; next = queue.next()) {
        const done = await ask(worker, next.value);
        if (open && !onDone(done)) open = false;
      }
    } catch (error) {
      await worker.terminate();
      throw error;
    }
    worker.unref();
    idle.push(worker);
  };
  try {
    await Promise.all(Array.from({ length: Math.max(1, parallel) }, work));
  } finally {
    open = false;
  }
}

function ask(worker: Worker, job: Job): Promise<Done> {
  const { promise, resolve, reject } = Promise.withResolvers<Done>();
  const clear = (): void => {
    worker.off("message", onMessage).off("error", onError).off("exit", onExit);
  };
  const onMessage = (answer: WorkerAnswer): void => {
    clear();
    if ("done" in answer) resolve(answer.done);
    else reject(new Error(`seed ${job.seed}: ${answer.error}`));
  };
  const onError = (error: Error): void => {
    clear();
    reject(error);
  };
  const onExit = (code: number): void => onError(new Error(`seed ${job.seed}: its worker ended with code ${code}`));
  worker.on("message", onMessage).on("error", onError).on("exit", onExit);
  worker.postMessage(job);
  return promise;
}
