// SPDX-License-Identifier: Apache-2.0

import { samePlain } from "../collections/plain.ts";
import type { ColumnValue } from "../desired/fragment.ts";
import { retryDelay } from "../time/backoff.ts";
import type { Timers } from "../time/clock.ts";

/** So often running something is put back at once. */
const AT_ONCE = 3;
/** What nobody has changed for so long after it was put back is not contended any more, in ms. */
const QUIET_MS = 300_000;
/** So many are remembered: a database that was restored has more, once. */
const MOST = 10_000;

interface Entry {
  wanted: ColumnValue;
  times: number;
  held: boolean;
  cancel: () => void;
}

/** A column of a row, or one member of a set. */
export interface Contended {
  readonly table: string;
  readonly row: string;
  readonly column: string;
  readonly member?: string;
}

/**
 * What another program changes again and again, while it is put back again and again: two writers that undo each other. From the fourth time in a row
 * on a thing is put back after a pause that doubles up to a minute. What is newly wanted does not wait, nor does anything else of the same row.
 */
export class Contention {
  readonly #timers: Timers;
  readonly #onDue: (what: Contended) => void;
  readonly #entries = new Map<string, Entry>();

  /** `onDue` is called when a pause is over. */
  constructor(timers: Timers, onDue: (what: Contended) => void) {
    this.#timers = timers;
    this.#onDue = onDue;
  }

  /** How many pauses are under way. */
  get held(): number {
    let held = 0;
    for (const entry of this.#entries.values()) if (entry.held) held++;
    return held;
  }

  /** Whether something is not to be put back yet. `wanted`: the value, or for a member whether it is to be there. */
  isHeld(what: Contended, wanted: ColumnValue): boolean {
    if (this.#entries.size === 0) return false;
    const entry = this.#entries.get(keyOf(what));
    return entry?.held === true && samePlain(entry.wanted, wanted);
  }

  /** It has been put back. Returns the pause before that is done again, in ms, where there is to be one. */
  repaired(what: Contended, wanted: ColumnValue): number | undefined {
    const key = keyOf(what);
    const former = this.#entries.get(key);
    former?.cancel();
    const times = former !== undefined && samePlain(former.wanted, wanted) ? former.times + 1 : 1;
    if (former === undefined && this.#entries.size >= MOST) return undefined;
    const entry: Entry = { wanted, times, held: times >= AT_ONCE, cancel: () => undefined };
    this.#entries.set(key, entry);
    const forget = (): void => {
      entry.cancel = this.#timers.after(QUIET_MS, () => void this.#entries.delete(key));
    };
    if (!entry.held) {
      forget();
      return undefined;
    }
    const pause = retryDelay(times - AT_ONCE + 2);
    entry.cancel = this.#timers.after(pause, () => {
      entry.held = false;
      forget();
      this.#onDue(what);
    });
    return pause;
  }

  /** Forgets everything. */
  clear(): void {
    for (const { cancel } of this.#entries.values()) cancel();
    this.#entries.clear();
  }
}

function keyOf({ row, column, member }: Contended): string {
  return `${row}\0${column}\0${member ?? ""}`;
}
