// SPDX-License-Identifier: Apache-2.0

import { samePlain } from "../collections/plain.ts";
import { retryDelay } from "../time/backoff.ts";
import type { Desired } from "./desired.ts";
import type { CommitOutcome } from "./outcome.ts";
import type { Touched } from "./touched.ts";
import type { Plan } from "./transaction-plan.ts";

/** The number of times in a row that a refused transaction is planned again because the database has changed, before it is divided anyway. */
const MAX_OVERTAKEN = 3;

/** What {@link RefusedBatches} needs from the engine. */
export interface RefusedBatchesOptions {
  readonly desired: Desired;
  /** Whether a unit must be committed with what is dirty together with it. */
  readonly isAtomic: (unit: string) => boolean;
  /** Whether a unit has a row that the database does not have. */
  readonly isNew: (unit: string) => boolean;
  /** The current plan for these units. */
  readonly replan: (taken: ReadonlyMap<string, Touched>) => Plan;
  /** The pending changes of a unit. */
  readonly touchedOf: (unit: string) => Touched;
  /** This unit alone fails: it is reported and backs off. */
  readonly fail: (unit: string, error: Error) => void;
}

/**
 * Finds the unit because of which a batch cannot be committed. A refused batch is divided until the failing unit is alone; so is a batch with which
 * the connection breaks twice in a row, over several terms if necessary. All units of such a batch are pending again.
 */
export class RefusedBatches {
  readonly #options: RefusedBatchesOptions;
  /** Parts of a refused batch, to be committed on their own before anything else. */
  #splits: string[][] = [];
  /** Units → number of their commits in a row with which the connection broke. Kept when leadership is lost, which a broken connection causes. */
  readonly #suspects = new Map<string, number>();
  /** Refusals in a row after which the database had changed. */
  #overtaken = 0;
  /** Commits in a row with an unknown outcome although the connection was up. */
  #unknown = 0;

  constructor(options: RefusedBatchesOptions) {
    this.#options = options;
  }

  /** Whether parts of a refused batch are still to be committed. */
  get dividing(): boolean {
    return this.#splits.length > 0;
  }

  /** The next part of a refused batch. */
  next(): string[] | undefined {
    return this.#splits.pop();
  }

  /**
   * The pause before the next commit, in ms: without it, a server that refuses at once would be asked in a loop. A broken connection has its own
   * back-off.
   */
  get pause(): number {
    return this.#unknown > 1 ? retryDelay(this.#unknown - 1) : 0;
  }

  /** A transaction was committed. */
  committed(): void {
    this.#overtaken = 0;
    this.#unknown = 0;
  }

  /** Forgets earlier failures of a unit. */
  clear(unit: string): void {
    this.#suspects.delete(unit);
  }

  /** The outcome for these units is unknown. */
  unknown(units: readonly string[], { error, dropped }: Extract<CommitOutcome, { kind: "unknown" }>): void {
    // The parts after this one must not be committed first; all of them are still pending.
    this.#splits = [];
    if (dropped === true) this.#dropped(units, error);
    else this.#unknown++;
  }

  /** The database refuses a plan for these units. */
  refused(
    plan: Plan,
    taken: ReadonlyMap<string, Touched>,
    { error, faults = [] }: Extract<CommitOutcome, { kind: "refused" }>,
  ): void {
    this.#unknown = 0;
    const guilty = new Map<string, Error>();
    for (const fault of faults) {
      const owned = this.#options.desired.row(fault.row);
      const unit =
        fault.member === undefined
          ? owned?.unit
          : this.#options.desired.members(fault.row, fault.member.column)?.get(fault.member.value)?.unit;
      if (unit === undefined) continue;
      guilty.set(unit, fault.error);
      // It may have been included because of another unit.
      if (owned?.unit === unit) this.#options.touchedOf(unit).row(owned.row.table, fault.row);
    }
    for (const [unit, reason] of guilty) this.#options.fail(unit, reason);
    // The others are pending and are committed without them.
    if (guilty.size > 0) return;
    if (faults.length === 0 && this.#overtaken < MAX_OVERTAKEN && !this.#isStill(plan, taken)) {
      // It was applied despite the error, or another client wrote first: plan the remaining changes again.
      this.#overtaken++;
      return;
    }
    this.#overtaken = 0;
    this.#divide([...taken.keys()], error);
  }

  /** Our own code threw while the changes of these units were computed. */
  unplanned(units: readonly string[], cause: unknown): void {
    const message = cause instanceof Error ? cause.message : String(cause);
    this.#divide(units, new Error(`failed to compute the changes (${message})`, { cause }));
  }

  /** Whether the plan would be the same now. The mirror has received all changes of the database up to the refusal. */
  #isStill(plan: Plan, taken: ReadonlyMap<string, Touched>): boolean {
    const { deferred: _, ...now } = this.#options.replan(taken);
    const { deferred: __, ...then } = plan;
    return samePlain(now, then);
  }

  /**
   * The connection broke while these units were being committed. The first time may be a coincidence; units with two such commits in a row are
   * divided.
   */
  #dropped(units: readonly string[], error: Error): void {
    for (const unit of units) this.#suspects.set(unit, (this.#suspects.get(unit) ?? 0) + 1);
    const suspects = units.filter((unit) => (this.#suspects.get(unit) ?? 0) > 1);
    if (suspects.length === 0) return;
    if (suspects.length < units.length) this.#splits.push(suspects);
    else
      this.#divide(
        units,
        new Error(`the connection is lost whenever this is written: ${error.message}`, { cause: error }),
      );
  }

  #divide(units: readonly string[], error: Error): void {
    const [unit] = units;
    if (unit === undefined) return;
    if (units.length > 1) this.#splits.push(...this.#split(units));
    else this.#options.fail(unit, error);
  }

  /**
   * Divides a refused batch in two; the part to commit first is last. Atomic units and existing ones stay together at first, because most likely a
   * new unit fails. If all or none are new, the batch is halved.
   */
  #split(units: readonly string[]): string[][] {
    const { isAtomic, isNew } = this.#options;
    const fresh = units.filter((unit) => !isAtomic(unit) && isNew(unit));
    if (fresh.length > 0 && fresh.length < units.length) {
      const apart = new Set(fresh);
      return [fresh, units.filter((unit) => !apart.has(unit))];
    }
    const half = Math.ceil(units.length / 2);
    return [units.slice(half), units.slice(0, half)];
  }
}
