// SPDX-License-Identifier: Apache-2.0

import type { RecordWrite } from "../../claims/claim.ts";
import type { ObjectKind } from "../../facts/types.ts";
import { typeOf } from "../../kinds/objects.ts";
import type { Kube } from "../../kube/kube.ts";
import type { KubeObject } from "../../kube/object.ts";
import { retryDelay } from "../../time/backoff.ts";
import type { Clock } from "../../time/clock.ts";
import type { AddressRecord } from "./recordings.ts";
import { UndoneRecords } from "./undone-records.ts";

/** The largest number of concurrent writes. More would only queue in the API client. */
const LIMIT = 24;

type State =
  | { readonly kind: "queued" }
  | { readonly kind: "writing"; withdrawn: boolean }
  | { readonly kind: "waiting"; readonly cancel: () => void };

interface Entry {
  readonly record: AddressRecord;
  attempts: number;
  state: State;
}

/** The recorder's dependencies. */
export interface AddressRecorderOptions {
  readonly kube: Kube;
  readonly clock: Pick<Clock, "after" | "now">;
  /** Called with the object that the API server returned. */
  readonly onRecorded: (kind: ObjectKind, object: KubeObject) => void;
  /** Called if the write of a withdrawn record failed: the record does not exist. */
  readonly onDropped: (name: string) => void;
  readonly onError: (record: AddressRecord, error: unknown) => void;
}

/**
 * Writes decided addresses to Kubernetes, in order and some concurrently, each until it succeeds or is withdrawn. One write for each address, as its
 * claim describes it: a created object is complete, with labels and finalizer. An existing object is changed only if it is unchanged since the
 * decision: a deposed leader that has not noticed must not overwrite decisions of its successor.
 */
export class AddressRecorder {
  readonly #options: AddressRecorderOptions;
  /** Object name → the record to write. */
  readonly #entries = new Map<string, Entry>();
  readonly #queue = new Set<string>();
  readonly #undone: UndoneRecords;
  #writing = 0;
  /** Callers that wait until no write is in progress. */
  #waiting: (() => void)[] = [];

  constructor(options: AddressRecorderOptions) {
    this.#options = options;
    this.#undone = new UndoneRecords(options.clock);
  }

  /** The number of records that are not written yet. */
  get pending(): number {
    return this.#entries.size;
  }

  /** Whether a write is in progress; records that wait for a retry do not count. */
  get writing(): boolean {
    return this.#writing > 0;
  }

  /** Resolves when no write is in progress. */
  whenWritten(): Promise<void> {
    if (!this.writing) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Queues `record` for writing: at once, or after a pause if something else has undone the same one several times. */
  record(record: AddressRecord): void {
    const { name } = record;
    const entry: Entry = { record, attempts: 0, state: { kind: "queued" } };
    this.#entries.set(name, entry);
    const pause = this.#undone.pauseOf(record.write);
    if (pause > 0) {
      this.#wait(name, entry, pause);
      return;
    }
    this.#queue.add(name);
    this.#pump();
  }

  /** Withdraws a record. True if it was not being written: then the record does not exist. */
  withdraw(name: string): boolean {
    const entry = this.#entries.get(name);
    if (entry === undefined) return true;
    if (entry.state.kind === "writing") {
      entry.state.withdrawn = true;
      return false;
    }
    if (entry.state.kind === "waiting") entry.state.cancel();
    this.#entries.delete(name);
    this.#queue.delete(name);
    return true;
  }

  /** Withdraws all records. */
  clear(): void {
    for (const name of [...this.#entries.keys()]) this.withdraw(name);
  }

  #pump(): void {
    for (const name of this.#queue) {
      if (this.#writing >= LIMIT) return;
      this.#queue.delete(name);
      const entry = this.#entries.get(name);
      if (entry !== undefined) void this.#write(name, entry);
    }
  }

  async #write(name: string, entry: Entry): Promise<void> {
    const state: State = { kind: "writing", withdrawn: false };
    entry.state = state;
    this.#writing++;
    try {
      const object = await carryOut(this.#options.kube, entry.record.write);
      if (this.#entries.get(name) === entry) this.#entries.delete(name);
      this.#undone.written(entry.record.write);
      this.#options.onRecorded(entry.record.write.kind, object);
    } catch (error) {
      this.#options.onError(entry.record, error);
      if (state.withdrawn) {
        // If another record of the name has followed, that decision is valid.
        if (this.#entries.get(name) !== entry) return;
        this.#entries.delete(name);
        this.#options.onDropped(name);
      } else {
        entry.attempts++;
        this.#wait(name, entry, retryDelay(entry.attempts));
      }
    } finally {
      this.#writing--;
      this.#pump();
      if (!this.writing) for (const resolve of this.#waiting.splice(0)) resolve();
    }
  }

  #wait(name: string, entry: Entry, ms: number): void {
    const cancel = this.#options.clock.after(ms, () => {
      entry.state = { kind: "queued" };
      this.#queue.add(name);
      this.#pump();
    });
    entry.state = { kind: "waiting", cancel };
  }
}

function carryOut(kube: Kube, write: RecordWrite): Promise<KubeObject> {
  const type = typeOf(write.kind);
  if (write.verb === "create") return kube.create(type, write.body);
  const { namespace, name, body, subresource } = write;
  const ref = { ...(namespace !== undefined && { namespace }), name };
  return kube.patch(type, ref, { type: "merge", body }, subresource === undefined ? {} : { subresource });
}
