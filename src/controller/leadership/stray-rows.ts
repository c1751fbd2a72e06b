// SPDX-License-Identifier: Apache-2.0

import type { ObservedChange } from "../../reconcile/drift.ts";
import { ownerOf } from "../../reconcile/owner.ts";
import { retryDelay } from "../../time/backoff.ts";
import { isOursByName } from "../databases/northbound.ts";
import type { InitialSweepTools } from "./initial-sweep.ts";
import { sweepOnce } from "./sweep-once.ts";

/** Rows of a restored database come in one transaction; more of them are waited for so long, in ms. */
const QUIET_MS = 500;

/**
 * Rows that say that they are ours and that another client has inserted while this controller leads: `ovsdb-client restore` gives all rows other uuids
 * (ovsdb-client(1)), and as long as they stand, what is wanted under their names is refused. They are swept. What units of ours once wrote is not among
 * them, so former rows of a unit whose new ones are refused stay.
 */
export class StrayRows {
  readonly #tools: InitialSweepTools;
  readonly #strays = new Set<string>();
  #sweeping = false;
  #cancel = (): void => {};

  constructor(tools: InitialSweepTools) {
    this.#tools = tools;
  }

  /** Takes in what has changed in the database. */
  note(changes: Iterable<ObservedChange>): void {
    for (const { table, uuid, old, new: now } of changes) {
      if (now === undefined) this.#strays.delete(uuid);
      else if (old === undefined && isOurs(table, now) && this.#tools.engine.desired.row(uuid) === undefined)
        this.#strays.add(uuid);
    }
    if (this.#strays.size > 0 && !this.#sweeping) this.#schedule(QUIET_MS, 1);
  }

  /** The term has ended: the next leader sweeps all. */
  stop(): void {
    this.#cancel();
    this.#strays.clear();
  }

  #schedule(ms: number, attempt: number): void {
    this.#cancel();
    this.#cancel = this.#tools.clock.after(ms, () => {
      this.#sweeping = true;
      this.#sweep()
        .catch((error: unknown) => {
          this.#tools.log.error({ err: error }, "failed to sweep rows that another client has inserted; retrying");
        })
        .finally(() => {
          this.#sweeping = false;
          // What failed, and what has come meanwhile.
          if (this.#strays.size > 0) this.#schedule(retryDelay(attempt), attempt + 1);
        });
    });
  }

  async #sweep(): Promise<void> {
    const { engine, over, log } = this.#tools;
    await engine.whenIdle();
    // A unit may want them by now.
    for (const uuid of this.#strays) if (engine.desired.row(uuid) !== undefined) this.#strays.delete(uuid);
    if (over()) this.#strays.clear();
    if (this.#strays.size === 0) return;
    log.warn(
      { rows: this.#strays.size },
      "another client has inserted rows with our owners (a restored backup?); sweeping them",
    );
    const strays = new Set(this.#strays);
    if (await sweepOnce(this.#tools, (uuid) => strays.has(uuid))) for (const uuid of strays) this.#strays.delete(uuid);
  }
}

function isOurs(table: string, columns: NonNullable<ObservedChange["new"]>): boolean {
  return ownerOf(columns) !== undefined || isOursByName(table, columns);
}
