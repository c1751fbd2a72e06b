// SPDX-License-Identifier: Apache-2.0

import { parentPort } from "node:worker_threads";
import { generateScript } from "./generate.ts";
import { mutationNamed } from "./mutations.ts";
import type { Job, WorkerAnswer } from "./pool.ts";
import { runScript } from "./run.ts";

/** One thread of the pool: runs what it is asked for, one after the other. */
parentPort?.on("message", (job: Job) => {
  const began = performance.now();
  const { untilViolation = false } = job;
  const mutation = job.mutation === undefined ? {} : { mutation: mutationNamed(job.mutation) };
  runScript(job.script ?? generateScript(job.seed, job.extras), { untilViolation, ...mutation }).then(
    (outcome) => answer({ done: { job, outcome, ms: performance.now() - began } }),
    (error: unknown) => answer({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
});

function answer(message: WorkerAnswer): void {
  parentPort?.postMessage(message);
}
