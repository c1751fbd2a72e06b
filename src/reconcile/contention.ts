// SPDX-License-Identifier: Apache-2.0

import { samePlain } from "../collections/plain.ts";
import type { ColumnValue } from "../desired/fragment.ts";
import { retryDelay } from "../time/backoff.ts";
import type { Timers } from "../time/clock.ts";

/** The number of times in a row that a value is restored without a pause. */
const AT_ONCE = 3;
/** A value that stays unchanged for this long after it was restored is no longer contended, in ms. */
const QUIET_MS = 300_000;
/** The largest number of values remembered; a restored database may have more at once. */
const MAX_ENTRIES = 10_000;

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
 * Values that another program changes again each time they are restored. From the fourth time in a row, a value is restored after a pause that
 * doubles up to a minute. A new desired value and other columns of the row are written without a pause.
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

  /** The number of current pauses. */
  get held(): number {
    let held = 0;
    for (const entry of this.#entries.values()) if (entry.held) held++;
    return held;
  }

  /** Whether a value must not be restored yet. `wanted`: the value, or for a member whether it is to be present. */
  isHeld(what: Contended, wanted: ColumnValue): boolean {
    if (this.#entries.size === 0) return false;
    const entry = this.#entries.get(keyOf(what));
    return entry?.held === true && samePlain(entry.wanted, wanted);
  }

  /** A value has been restored. Returns the pause before it is restored again, in ms, if there is one. */
  repaired(what: Contended, wanted: ColumnValue): number | undefined {
    const key = keyOf(what);
    const former = this.#entries.get(key);
    former?.cancel();
    const times = former !== undefined && samePlain(former.wanted, wanted) ? former.times + 1 : 1;
    if (former === undefined && this.#entries.size >= MAX_ENTRIES) return undefined;
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
