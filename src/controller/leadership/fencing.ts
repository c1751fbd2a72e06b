// SPDX-License-Identifier: Apache-2.0

import { KubeError } from "../../kube/errors.ts";
import type { Kube } from "../../kube/kube.ts";
import type { Clock } from "../../time/clock.ts";

/**
 * An answer that took longer is not believed, in ms: a process that was stopped meanwhile finds it waiting when it goes on. A busy
 * database takes its time; with this it may.
 */
const ANSWER_MS = 5_000;

/**
 * The next question is asked no sooner after the last one, in ms. In a burst of pods a question for each write would cost this process
 * and the database a tenth of their time; whoever writes alone finds that so long has passed.
 */
const PACE_MS = 10;

/** What a fence is made of. */
export interface WriteFenceParts {
  readonly clock: Clock;
  /** Asks the northbound database whether this process holds the leader's lock. Never rejects. */
  readonly confirm: () => Promise<boolean>;
}

/**
 * Keeps a leader that has been deposed from writing to Kubernetes. OVSDB refuses its transactions, but the API server knows nothing of
 * the lock, and it takes seconds to notice that a connection is dead, or that this process was stopped for a while. So before each write
 * the database is asked, after the write was decided: whatever was decided on what a successor has done is not written.
 *
 * What was confirmed may still be on its way when a successor begins. That does no harm: records are created under names of their own and
 * changed only at a known version, and the successor believes the database (`src/controller/allocation/startup-recovery.ts`).
 */
export class WriteFence {
  readonly #parts: WriteFenceParts;
  #closed = false;
  /** The question that is under way. */
  #asking: Promise<unknown> | undefined;
  /** When the last one was sent, by the clock. */
  #sent = Number.NEGATIVE_INFINITY;
  /** The one that will be asked when that is answered: for all who come meanwhile. */
  #next: Promise<boolean> | undefined;

  constructor(parts: WriteFenceParts) {
    this.#parts = parts;
  }

  /** Lets nothing through any more. */
  close(): void {
    this.#closed = true;
  }

  /** Whether this process may write what it has decided. Those who ask while an answer is awaited share the next question. */
  async pass(): Promise<boolean> {
    if (this.#closed) return false;
    this.#next ??= this.#ask();
    return (await this.#next) && !this.#closed;
  }

  async #ask(): Promise<boolean> {
    const { clock, confirm } = this.#parts;
    // Also where nothing is under way: what the present task decides goes together.
    await this.#asking;
    // The clock may be set back.
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

/** The API server, to which nothing is written that the fence does not let through: then `unavailable`. Reads go by it. */
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
