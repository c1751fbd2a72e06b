// SPDX-License-Identifier: Apache-2.0

import type { FailureSubject, Failures } from "../desired/failures.ts";
import type { Change } from "./informer-cache.ts";

interface Entry<P> {
  readonly listener: (change: Change<P>) => void;
  /** Key → the last successfully processed value of an object at which the listener has thrown since. */
  readonly missed: Map<string, P | undefined>;
}

/**
 * The listeners of an informer. A listener that throws is called again after a pause, or with the next change of the
 * same object, with the last value that it processed as `old`; the others are not affected.
 */
export class InformerListeners<P> {
  readonly #entries = new Set<Entry<P>>();
  readonly #failures: Failures;
  readonly #kind: string;
  readonly #get: (key: string) => P | undefined;

  /** `kind`: the kind for reported failures. `get`: the present projection of an object. */
  constructor(failures: Failures, kind: string, get: (key: string) => P | undefined) {
    this.#failures = failures;
    this.#kind = kind;
    this.#get = get;
  }

  /** Returns the function that ends the subscription. */
  add(listener: (change: Change<P>) => void): () => void {
    const entry = { listener, missed: new Map<string, P | undefined>() };
    this.#entries.add(entry);
    return () => void this.#entries.delete(entry);
  }

  announce(change: Change<P>): void {
    // A copy: a listener that is added during a notification first gets the next change.
    for (const entry of [...this.#entries]) this.#call(entry, change);
  }

  /** No listener is called any more. */
  clear(): void {
    this.#entries.clear();
  }

  #call(entry: Entry<P>, { key, old, new: now }: Change<P>): void {
    if (!this.#entries.has(entry)) return;
    const from = entry.missed.has(key) ? entry.missed.get(key) : old;
    const subject: FailureSubject = { part: "listener", where: "informer", kind: this.#kind, key };
    try {
      entry.listener({ key, ...(from === undefined ? {} : { old: from }), ...(now === undefined ? {} : { new: now }) });
    } catch (error) {
      entry.missed.set(key, from);
      this.#failures.failed(subject, error, () => {
        const value = this.#get(key);
        this.#call(entry, { key, ...(value === undefined ? {} : { new: value }) });
      });
      return;
    }
    if (entry.missed.delete(key)) this.#failures.succeeded(subject);
  }
}
