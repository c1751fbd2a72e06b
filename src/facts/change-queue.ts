// SPDX-License-Identifier: Apache-2.0

import type { Failures } from "../desired/failures.ts";
import { includesDependency } from "./dependency.ts";
import type { FactChange } from "./fact-change.ts";

interface Listener {
  /** For people and metrics. */
  readonly name: string;
  readonly derives: boolean;
  readonly note: (change: FactChange) => void;
  /** `kind/key` → the change at which it threw: delivered again as one change from the last accepted fact to the current one. */
  readonly missed: Map<string, FactChange>;
}

/**
 * Delivers changes in order, each to all listeners before the next one, also if a listener makes changes. First all changes are delivered to the
 * derivations of facts, until nothing more follows; then to the other listeners. They therefore always see a state with all derived facts.
 *
 * A listener that throws does not affect the others; the change is delivered to it again after a pause, or with the next change of the same fact.
 */
export class ChangeQueue {
  readonly #failures: Failures;
  readonly #derivers: Listener[] = [];
  readonly #listeners: Listener[] = [];
  /** Changes not yet delivered to derivations. */
  #underived: FactChange[] = [];
  /** Changes not yet delivered to listeners. */
  #untold: FactChange[] = [];
  #draining = false;

  constructor(failures: Failures) {
    this.#failures = failures;
  }

  /** Adds a listener; the returned function removes it. */
  add(name: string, derives: boolean, note: (change: FactChange) => void): () => void {
    const listeners = derives ? this.#derivers : this.#listeners;
    const listener: Listener = { name, derives, note, missed: new Map() };
    listeners.push(listener);
    return () => {
      const at = listeners.indexOf(listener);
      if (at >= 0) listeners.splice(at, 1);
      for (const change of listener.missed.values()) this.#failures.succeeded(subjectOf(listener, change));
      listener.missed.clear();
    };
  }

  /** Delivers a change. Unless a listener calls this, all listeners have received it when it returns. */
  push(change: FactChange): void {
    this.#underived.push(change);
    this.#drain();
  }

  #drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    try {
      this.#derive();
      for (let next = 0; next < this.#untold.length; next++) {
        const change = this.#untold[next] as FactChange;
        for (const listener of [...this.#listeners]) {
          this.#notify(listener, change);
          this.#derive();
        }
      }
    } finally {
      // Changes are left only if an exception was rethrown.
      this.#underived = [];
      this.#untold = [];
      this.#draining = false;
    }
  }

  #derive(): void {
    if (this.#underived.length === 0) return;
    for (let next = 0; next < this.#underived.length; next++) {
      const change = this.#underived[next] as FactChange;
      for (const deriver of this.#derivers) this.#notify(deriver, change);
      this.#untold.push(change);
    }
    this.#underived = [];
  }

  #notify(listener: Listener, latest: FactChange): void {
    const id = listener.missed.size === 0 ? "" : idOf(latest);
    const missed = listener.missed.get(id);
    const change = missed === undefined ? latest : joined(missed, latest);
    try {
      listener.note(change);
    } catch (error) {
      listener.missed.set(idOf(change), change);
      this.#failures.failed(subjectOf(listener, change), error, () => this.#again(listener, idOf(change)));
      return;
    }
    if (missed === undefined) return;
    listener.missed.delete(id);
    this.#failures.succeeded(subjectOf(listener, change));
  }

  /** The pause of a failed delivery is over. */
  #again(listener: Listener, id: string): void {
    const missed = listener.missed.get(id);
    if (missed === undefined) return;
    this.#draining = true;
    try {
      this.#notify(listener, missed);
    } finally {
      this.#draining = false;
    }
    this.#drain();
  }
}

function idOf({ kind, key }: FactChange): string {
  return `${kind}/${key}`;
}

/** Merges two changes of one fact. */
function joined(first: FactChange, second: FactChange): FactChange {
  const { kind, key } = second;
  const touched = [...first.touched, ...second.touched.filter((entry) => !includesDependency(first.touched, entry))];
  return {
    kind,
    key,
    touched,
    ...(first.old === undefined ? {} : { old: first.old }),
    ...(second.new === undefined ? {} : { new: second.new }),
  };
}

function subjectOf({ name, derives }: Listener, { kind, key }: FactChange) {
  return { part: derives ? "derived fact" : "listener", where: name, kind, key } as const;
}
