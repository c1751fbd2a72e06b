// SPDX-License-Identifier: Apache-2.0

/** How a request is ordered with other requests for the same attachment. */
export type JobKind = "add" | "del" | "check";

interface Job {
  readonly kind: JobKind;
  readonly promise: Promise<unknown>;
  readonly controller: AbortController;
  /** Callers that still wait; an ADD without callers is aborted. */
  waiting: number;
}

/**
 * Runs one request at a time for each attachment, in the order of arrival.
 *
 * A second ADD joins the running one and gets its result. A DEL aborts a running ADD, waits until that has been
 * rolled back, and then runs; a second DEL joins the first. An ADD whose callers have all disconnected is aborted
 * too.
 */
export class Lanes {
  /** attachment key → its jobs; the first runs, the others wait in this order. */
  readonly #lanes = new Map<string, Job[]>();

  /** Running and waiting jobs of all attachments. */
  get size(): number {
    let size = 0;
    for (const jobs of this.#lanes.values()) size += jobs.length;
    return size;
  }

  /** Keys of the attachments with running or waiting jobs. */
  keys(): IterableIterator<string> {
    return this.#lanes.keys();
  }

  /** Whether the attachment has a running or waiting job. */
  busy(key: string): boolean {
    return this.#lanes.has(key);
  }

  /**
   * Runs `work` after the attachment's earlier jobs and settles as it does.
   * @param caller fires when the caller has disconnected. It aborts only an ADD; other verbs run to completion.
   */
  run<R>(key: string, kind: JobKind, work: (signal: AbortSignal) => Promise<R>, caller?: AbortSignal): Promise<R> {
    const jobs = this.#lanes.get(key) ?? [];
    if (kind === "del") for (const job of jobs) if (job.kind === "add") job.controller.abort(new Superseded());
    const last = jobs.at(-1);
    if (last !== undefined && last.kind === kind && kind !== "check" && !last.controller.signal.aborted) {
      return this.#wait(last, caller) as Promise<R>;
    }
    const controller = new AbortController();
    const before = last?.promise.catch(() => undefined);
    const start = async (): Promise<R> => {
      // The first job of an attachment starts at once: a turn of the event loop is slow under load.
      if (before !== undefined) await before;
      controller.signal.throwIfAborted();
      return await work(controller.signal);
    };
    const job: Job = { kind, controller, waiting: 0, promise: start().finally(() => this.#done(key, job)) };
    // Waiting callers get the rejection; without this line a rejection after all callers have disconnected would be
    // unhandled.
    job.promise.catch(() => undefined);
    jobs.push(job);
    this.#lanes.set(key, jobs);
    return this.#wait(job, caller) as Promise<R>;
  }

  /** Aborts every ADD, for shutdown. */
  abortAll(reason: Error): void {
    for (const jobs of this.#lanes.values()) {
      for (const job of jobs) if (job.kind === "add") job.controller.abort(reason);
    }
  }

  #wait(job: Job, caller: AbortSignal | undefined): Promise<unknown> {
    job.waiting += 1;
    if (caller === undefined) return job.promise;
    const gone = (): void => {
      job.waiting -= 1;
      if (job.waiting === 0 && job.kind === "add") job.controller.abort(new CallerGone());
    };
    if (caller.aborted) gone();
    else {
      caller.addEventListener("abort", gone, { once: true });
      job.promise.finally(() => caller.removeEventListener("abort", gone)).catch(() => undefined);
    }
    return job.promise;
  }

  #done(key: string, job: Job): void {
    const jobs = this.#lanes.get(key) ?? [];
    const rest = jobs.filter((other) => other !== job);
    if (rest.length === 0) this.#lanes.delete(key);
    else this.#lanes.set(key, rest);
  }
}

/** Why an ADD was aborted: a DEL for the same attachment arrived. */
class Superseded extends Error {
  override readonly name = "Superseded";
  constructor() {
    super("a DEL for the same container arrived");
  }
}

/** Why an ADD was aborted: the shim has closed the connection. */
class CallerGone extends Error {
  override readonly name = "CallerGone";
  constructor() {
    super("the caller has disconnected");
  }
}
