// SPDX-License-Identifier: Apache-2.0

import type { RecordWrite } from "../../claims/claim.ts";
import { retryDelay } from "../../time/backoff.ts";
import type { Clock } from "../../time/clock.ts";

/** How often a record is written at once. */
const AT_ONCE = 3;
/** Milliseconds after which a record counts as one that lasts; more than the longest pause. */
const LASTS_MS = 120_000;
/** The largest number of records that are remembered. */
const LIMIT = 1_000;

/**
 * Records in the status of an object that are decided again soon after they were written, because something else has undone them: another implementation of LoadBalancer
 * Services clears the status, say. Each of the two acts on the other's write, so without a pause both would write as fast as the API server answers.
 */
export class UndoneRecords {
  readonly #clock: Pick<Clock, "now">;
  /** The record, as {@link keyOf} → how often it was written without having lasted, and when last; the one written last is at the end. */
  readonly #written = new Map<string, { readonly count: number; readonly at: number }>();

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** Milliseconds to wait before the write. */
  pauseOf(write: RecordWrite): number {
    const count = this.#countOf(write);
    return count < AT_ONCE ? 0 : retryDelay(count - AT_ONCE + 1);
  }

  /** The write has been made. */
  written(write: RecordWrite): void {
    const key = keyOf(write);
    if (key === undefined) return;
    const count = this.#countOf(write) + 1;
    this.#written.delete(key);
    this.#written.set(key, { count, at: this.#clock.now() });
    for (const oldest of this.#written.keys()) {
      if (this.#written.size <= LIMIT) return;
      this.#written.delete(oldest);
    }
  }

  /** How often this very record was written; another one is wanted because the object or its subnet has changed, which may go back and forth. */
  #countOf(write: RecordWrite): number {
    const found = this.#written.get(keyOf(write) ?? "");
    return found === undefined || this.#clock.now() - found.at >= LASTS_MS ? 0 : found.count;
  }
}

/** The object by its UID and what is recorded in its status, without the resource version; undefined if nothing else writes it. */
function keyOf(write: RecordWrite): string | undefined {
  const uid = sharedObject(write);
  return uid === undefined ? undefined : `${uid} ${JSON.stringify({ ...write.body, metadata: undefined })}`;
}

/** The UID of an object whose status others write too: an OvnEip, a Service or a Vip. An IP object is Weft's own, and each pod of its name writes it. */
function sharedObject(write: RecordWrite): string | undefined {
  if (write.verb !== "patch" || write.kind === "ips") return undefined;
  const { uid } = write.body.metadata;
  return typeof uid === "string" ? uid : undefined;
}
