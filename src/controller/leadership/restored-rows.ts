// SPDX-License-Identifier: Apache-2.0

import type { ObservedChange } from "../../reconcile/drift.ts";
import { ownerOf } from "../../reconcile/owner.ts";
import { retryDelay } from "../../time/backoff.ts";
import { isOursByName } from "../databases/northbound.ts";
import type { InitialSweepTools } from "./initial-sweep.ts";
import { sweepOnce } from "./sweep-once.ts";

/** How long to wait for further rows, in ms: those of a restored database arrive in one transaction. */
const QUIET_MS = 500;

/**
 * Sweeps rows with an owner of ours that another client has inserted while this controller leads: `ovsdb-client restore` gives all rows other uuids
 * (ovsdb-client(1)), and as long as they exist, desired rows with the same names are refused. Rows that our units wrote are not affected, so former
 * rows of a unit whose new ones are refused stay.
 */
export class RestoredRows {
  readonly #tools: InitialSweepTools;
  readonly #restored = new Set<string>();
  #sweeping = false;
  #cancel = (): void => {};
  #waiting: (() => void)[] = [];

  constructor(tools: InitialSweepTools) {
    this.#tools = tools;
  }

  /** Whether no row is to be swept. */
  get idle(): boolean {
    return this.#restored.size === 0 && !this.#sweeping;
  }

  /** Resolves when no row is to be swept, or the term has ended. */
  whenIdle(): Promise<void> {
    if (this.idle) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Processes changes of the database. */
  note(changes: Iterable<ObservedChange>): void {
    for (const { table, uuid, old, new: now } of changes) {
      if (now === undefined) this.#restored.delete(uuid);
      else if (old === undefined && isOurs(table, now) && this.#tools.engine.desired.row(uuid) === undefined)
        this.#restored.add(uuid);
    }
    if (this.#restored.size > 0 && !this.#sweeping) this.#schedule(QUIET_MS, 1);
    if (this.idle) this.#tell();
  }

  /** The term has ended: the next leader sweeps everything. */
  stop(): void {
    this.#cancel();
    this.#restored.clear();
    this.#tell();
  }

  #tell(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
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
          // The rows of the failed sweep, and later ones.
          if (this.#restored.size > 0) this.#schedule(retryDelay(attempt), attempt + 1);
          else this.#tell();
        });
    });
  }

  async #sweep(): Promise<void> {
    const { engine, over, log } = this.#tools;
    await engine.whenIdle();
    // A unit may want them now.
    for (const uuid of this.#restored) if (engine.desired.row(uuid) !== undefined) this.#restored.delete(uuid);
    if (over()) this.#restored.clear();
    if (this.#restored.size === 0) return;
    log.warn(
      { rows: this.#restored.size },
      "another client has inserted rows with our owners (a restored backup?); sweeping them",
    );
    const strays = new Set(this.#restored);
    if (await sweepOnce(this.#tools, (uuid) => strays.has(uuid)))
      for (const uuid of strays) this.#restored.delete(uuid);
  }
}

function isOurs(table: string, columns: NonNullable<ObservedChange["new"]>): boolean {
  return ownerOf(columns) !== undefined || isOursByName(table, columns);
}
