// SPDX-License-Identifier: Apache-2.0

import { samePlain } from "../collections/plain.ts";
import { retryDelay } from "../time/backoff.ts";
import type { Desired } from "./desired.ts";
import type { CommitOutcome } from "./outcome.ts";
import type { Plan } from "./plan.ts";
import type { Touched } from "./touched.ts";

/** So often running a refused transaction is planned again because the database has changed; then it is divided all the same. */
const MOST_OVERTAKEN = 3;

/** What {@link FailedCommits} asks of the engine. */
export interface FailedCommitsOptions {
  readonly desired: Desired;
  /** Whether a unit must be committed with what is dirty together with it. */
  readonly isAtomic: (unit: string) => boolean;
  /** Whether a unit has a row that the database does not have. */
  readonly isNew: (unit: string) => boolean;
  /** What would be committed now for these units. */
  readonly replan: (taken: ReadonlyMap<string, Touched>) => Plan;
  /** What of a unit is still to be committed. */
  readonly touchedOf: (unit: string) => Touched;
  /** A unit is to blame, by itself: it backs off and says so. */
  readonly fail: (unit: string, error: Error) => void;
}

/**
 * Finds out whose fault it is that a batch did not get into the database. What is refused is divided until the bad unit stands alone; what a
 * connection breaks with twice running likewise, over as many terms as that takes. All units of such a batch are pending again.
 */
export class FailedCommits {
  readonly #options: FailedCommitsOptions;
  /** Parts of a refused batch, to be committed on their own before anything else. */
  #splits: string[][] = [];
  /** Units → with how many commits of theirs running the connection broke. They keep that when the lead is lost, as it then is. */
  readonly #suspects = new Map<string, number>();
  /** Refusals running after which the database was found changed. */
  #overtaken = 0;
  /** Commits running of which the outcome is unknown although the connection held. */
  #unknown = 0;

  constructor(options: FailedCommitsOptions) {
    this.#options = options;
  }

  /** Whether parts of a refused batch are to come yet. */
  get dividing(): boolean {
    return this.#splits.length > 0;
  }

  /** The next part of a refused batch. */
  next(): string[] | undefined {
    return this.#splits.pop();
  }

  /**
   * How long to wait before the next commit, in ms: whoever answers at once that it cannot be done now would be asked in a loop; a connection
   * that broke has its own pauses.
   */
  get pause(): number {
    return this.#unknown > 1 ? retryDelay(this.#unknown - 1) : 0;
  }

  /** A transaction has got through. */
  committed(): void {
    this.#overtaken = 0;
    this.#unknown = 0;
  }

  /** Nothing speaks against a unit any more. */
  clear(unit: string): void {
    this.#suspects.delete(unit);
  }

  /** It is not known whether these were committed. */
  unknown(units: readonly string[], { error, dropped }: Extract<CommitOutcome, { kind: "unknown" }>): void {
    // What was to follow this part must not get ahead of it; all of it is pending still.
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
      // It may have come along with another unit.
      if (owned?.unit === unit) this.#options.touchedOf(unit).row(owned.row.table, fault.row);
    }
    for (const [unit, reason] of guilty) this.#options.fail(unit, reason);
    // The others are pending, and go on without them.
    if (guilty.size > 0) return;
    if (faults.length === 0 && this.#overtaken < MOST_OVERTAKEN && !this.#isStill(plan, taken)) {
      // It was applied despite the answer, or another client was faster: the remaining work is planned again.
      this.#overtaken++;
      return;
    }
    this.#overtaken = 0;
    this.#divide([...taken.keys()], error);
  }

  /** What is to be written for these units could not be found out, for our own code threw. */
  unplanned(units: readonly string[], cause: unknown): void {
    const message = cause instanceof Error ? cause.message : String(cause);
    this.#divide(units, new Error(`failed to compute the changes (${message})`, { cause }));
  }

  /** Whether the same plan would be made now. Before it was refused, the mirror has heard of all that the database did until then. */
  #isStill(plan: Plan, taken: ReadonlyMap<string, Touched>): boolean {
    const { deferred: _, ...now } = this.#options.replan(taken);
    const { deferred: __, ...then } = plan;
    return samePlain(now, then);
  }

  /** The connection broke while these were being committed. Once may be chance; who was there twice running is taken apart. */
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
   * Two parts of a refused batch, the one to begin with last. What must be atomic and all that is there already stay together once more, for
   * most likely something new is wrong; only where nothing is new, or everything, it is halved.
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
