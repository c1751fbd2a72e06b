// SPDX-License-Identifier: Apache-2.0

import { KubeError } from "../../kube/errors.ts";
import type { Kube } from "../../kube/kube.ts";
import type { Clock } from "../../time/clock.ts";

/**
 * A later answer is not trusted, in ms: a process that was suspended meanwhile finds an old answer when it continues. Long enough for a busy
 * database.
 */
const ANSWER_MS = 5_000;

/**
 * The shortest time between two requests, in ms. In a burst of pods a request for each write would cost this process and the database a tenth of
 * their time; single writes are not delayed by it.
 */
const PACE_MS = 10;

/** The dependencies of a {@link WriteFence}. */
export interface WriteFenceParts {
  readonly clock: Clock;
  /** Asks the northbound database whether this process holds the leader's lock. Never rejects. */
  readonly confirm: () => Promise<boolean>;
}

/**
 * Prevents a deposed leader from writing to Kubernetes. OVSDB refuses its transactions, but the API server does not know the lock, and it takes
 * seconds to notice that a connection is dead, or that this process was suspended. So each write, after it is decided, waits for a confirmation of
 * the database that this process still has the lock.
 *
 * What else a process stops when it loses leadership: `Controller.follow` in `src/controller/controller.ts`.
 *
 * A confirmed write may still be in flight when a successor begins. That is harmless: records are created with unique names and changed only at a
 * known version, and the successor trusts the database (`src/controller/allocation/startup-recovery.ts`).
 */
export class WriteFence {
  readonly #parts: WriteFenceParts;
  #closed = false;
  /** The request in progress. */
  #asking: Promise<unknown> | undefined;
  /** When the last one was sent. */
  #sent = Number.NEGATIVE_INFINITY;
  /** The next request, shared by all callers that wait meanwhile. */
  #next: Promise<boolean> | undefined;

  constructor(parts: WriteFenceParts) {
    this.#parts = parts;
  }

  /** Refuses all further writes. */
  close(): void {
    this.#closed = true;
  }

  /** Whether this process may write what it has decided. Callers during a request share the next one. */
  async pass(): Promise<boolean> {
    if (this.#closed) return false;
    this.#next ??= this.#ask();
    return (await this.#next) && !this.#closed;
  }

  async #ask(): Promise<boolean> {
    const { clock, confirm } = this.#parts;
    // Also without a request in progress: writes of the current task share one request.
    await this.#asking;
    // The clock may go backwards.
    const early = Math.min(PACE_MS, this.#sent + PACE_MS - clock.now());
    if (early > 0) await new Promise<void>((resolve) => clock.after(early, resolve));
    const sent = clock.now();
    this.#sent = sent;
    const answer = confirm();
    this.#asking = answer;
    this.#next = undefined;
    return (await answer) && clock.now() - sent <= ANSWER_MS;
  }
}

/** A client whose writes need the fence's confirmation; otherwise they fail with `unavailable`. Reads are not affected. */
export function fenced(kube: Kube, fence: WriteFence): Kube {
  const guard = async <T>(what: string, write: () => Promise<T>): Promise<T> => {
    if (await fence.pass()) return await write();
    throw new KubeError("unavailable", `${what}: the database does not confirm the leadership of this process`);
  };
  return {
    get: (type, ref, options) => kube.get(type, ref, options),
    list: (type, options) => kube.list(type, options),
    watch: (type, options, onEvent) => kube.watch(type, options, onEvent),
    create: (type, object, options) => guard("create", () => kube.create(type, object, options)),
    update: (type, object, options) => guard("update", () => kube.update(type, object, options)),
    patch: (type, ref, patch, options) => guard("patch", () => kube.patch(type, ref, patch, options)),
    delete: (type, ref, options) => guard("delete", () => kube.delete(type, ref, options)),
  };
}
