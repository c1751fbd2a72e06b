// SPDX-License-Identifier: Apache-2.0

import { Failures } from "../desired/failures.ts";
import type { Effect, Fragment } from "../desired/fragment.ts";
import { unitId } from "../desired/unit-kind.ts";
import type { FactChange } from "../facts/fact-change.ts";
import { chooseBatch, MAX_UNITS } from "./batch.ts";
import { Contention } from "./contention.ts";
import { Desired } from "./desired.ts";
import { noteDrift, type ObservedChange } from "./drift.ts";
import { EffectOffers } from "./effect-offers.ts";
import type { EngineOptions, EngineStats } from "./engine-options.ts";
import { findMovedMembers, findOrphanedMembers } from "./orphaned-members.ts";
import type { CommitOutcome } from "./outcome.ts";
import { RefusedBatches } from "./refused-batches.ts";
import { repairsIn } from "./repairs.ts";
import { StepLoop } from "./step-loop.ts";
import { Touched } from "./touched.ts";
import { type Plan, planChanges, planSize } from "./transaction-plan.ts";
import { UnitBackoff } from "./unit-backoff.ts";
import { UnitCompiler } from "./unit-compiler.ts";
import { WarmUp } from "./warm-up.ts";
import { withClusterId } from "./with-cluster-id.ts";
import { withOwner } from "./with-owner.ts";

/** The largest number of units that are compiled between two turns of the event loop. */
const PART = 50;

/**
 * Dirty units → fragments → rows and edges compared with the database → one transaction → effects.
 *
 * One transaction is in flight at a time; units that become dirty meanwhile are in the next one, so batches grow under load. A batch that the
 * database refuses is divided until the failing unit is alone; it backs off while the others are committed. A batch is also divided if the connection
 * breaks twice in a row when it is committed: a value that crashes the server, or its parser, would otherwise stop everything, also on the next
 * leader.
 */
export class Engine<E extends Effect> {
  readonly stats: EngineStats = {
    transactions: 0,
    operations: 0,
    repairs: 0,
    contended: 0,
    compiled: 0,
    failures: 0,
    heldBack: 0,
  };
  readonly desired = new Desired<E>();
  readonly #options: EngineOptions<E>;
  /** unit → its rows and edges that may differ from the database. */
  readonly #pending = new Map<string, Touched>();
  /** Units with a row that another unit owns; their effects wait until it is released. */
  readonly #contesting = new Set<string>();
  /** Units with an edge to a row of an unexpected owner → the last message about it. */
  readonly #misdirected = new Map<string, string>();
  readonly #effects: EffectOffers<E>;
  readonly #failing: UnitBackoff;
  readonly #failures: Failures;
  readonly #contention: Contention;
  readonly #compiler: UnitCompiler<E>;
  readonly #refusedBatches: RefusedBatches;
  readonly #loop: StepLoop;
  readonly #warmUp: WarmUp;
  /** Units pending only because the database changed, not because they were compiled. */
  readonly #drifted = new Set<string>();
  /** Whether orphaned members of our sets have been searched. */
  #cleared = false;

  constructor(options: EngineOptions<E>) {
    this.#options = options;
    this.#effects = new EffectOffers(this.desired, options.offerEffects);
    this.#failing = new UnitBackoff(options.timers, () => this.#loop.kick());
    this.#contention = new Contention(options.timers, ({ table, row, column, member }) => {
      const unit =
        member === undefined
          ? this.desired.row(row)?.unit
          : (this.desired.members(row, column)?.get(member)?.unit ?? this.desired.row(row)?.unit);
      if (unit === undefined) return;
      if (!this.#pending.has(unit)) this.#drifted.add(unit);
      if (member === undefined) this.#touchedOf(unit).row(table, row);
      else this.#touchedOf(unit).edge({ table, row, column, member });
      this.#loop.kick();
    });
    this.#refusedBatches = new RefusedBatches({
      desired: this.desired,
      isAtomic: (unit) => options.tracker.isAtomic(unit),
      isNew: (unit) => this.#isNew(unit),
      replan: (taken) => this.#plan(taken),
      touchedOf: (unit) => this.#touchedOf(unit),
      fail: (unit, error) => this.#fail(unit, error),
    });
    this.#failures =
      options.failures ??
      new Failures(options.timers, ({ kind, key, error }) => options.onUnitFailure(unitId(kind, key), error));
    this.#compiler = new UnitCompiler({
      tracker: options.tracker,
      failures: this.#failures,
      database: options.database,
      onRetry: () => this.#loop.kick(),
      onAllCompiled: () => {
        // Members that an earlier run left in sets of these units were kept until now.
        this.#cleared = false;
      },
    });
    this.#loop = new StepLoop({
      timers: options.timers,
      step: () => this.#writeBatch(),
      hasWork: () => options.tracker.dirtyCount > 0 || this.#hasPending(),
      // Everything that is not committed is still pending.
      onError: (error) =>
        this.#failures.failed({ part: "task", where: "engine", kind: "", key: "" }, error, () => this.#loop.kick()),
    });
    this.#warmUp = new WarmUp({
      timers: options.timers,
      isActive: () => this.#loop.active,
      isDirty: () => options.tracker.dirtyCount > 0,
      compileNext: () => this.#compileNext(),
      compare: (unit) => this.#compareWarm(unit),
    });
  }

  /** The numbers of units that are to be compiled, to be committed, and in a back-off after the database refused them. */
  get waiting(): { readonly dirty: number; readonly pending: number; readonly refused: number } {
    return { dirty: this.#options.tracker.dirtyCount, pending: this.#pending.size, refused: this.#failing.size };
  }

  /** Units that could not be compiled at the last attempt. They are retried after a back-off. */
  get uncompiled(): ReadonlySet<string> {
    return this.#compiler.failed;
  }

  /** Resolves when every unit could be compiled. */
  whenCompiled(): Promise<void> {
    return this.#compiler.whenCompiled();
  }

  /** Whether there is nothing to do now, apart from units that wait for the end of their back-off. */
  get idle(): boolean {
    return this.#loop.idle;
  }

  /** Resolves when the engine is next idle. */
  whenIdle(): Promise<void> {
    return this.#loop.whenIdle();
  }

  /** A fact has changed. */
  noteFact(change: FactChange): void {
    this.#options.tracker.note(change);
    this.#loop.kick();
    this.#warmUp.schedule();
  }

  /** Rows of the database have changed, by our own transactions or by another client. */
  noteDatabase(changes: readonly ObservedChange[]): void {
    for (const change of changes) {
      const touch = (unit: string): Touched => {
        if (!this.#pending.has(unit)) this.#drifted.add(unit);
        this.#effects.resume(unit);
        if (!this.#loop.active) this.#warmUp.add(unit);
        return this.#touchedOf(unit);
      };
      noteDrift(this.desired, change, touch, this.#options.exclusive);
    }
    this.#loop.kick();
    this.#warmUp.schedule();
  }

  /** Compiles a unit again, compares all its rows with the database and repeats its effects. */
  retry(unit: string): void {
    const fragment = this.desired.fragment(unit);
    const touched = this.#touchedOf(unit);
    for (const row of fragment?.rows ?? []) touched.row(row.table, row.uuid);
    for (const edge of fragment?.edges ?? []) touched.edge(edge);
    this.#effects.replaced(unit);
    this.#effects.renew(unit);
    this.#options.tracker.mark(unit);
    this.#loop.kick();
  }

  /** The progress of a unit, for logs. */
  stateOf(unit: string): string {
    if (this.#options.tracker.isDirty(unit)) return "to be compiled";
    if (this.#compiler.failed.has(unit)) return "cannot be compiled";
    if (this.#failing.has(unit)) return "refused by the database";
    if (this.#effects.isDeferred(unit)) return "deferred until the row that refers to it exists";
    if (this.#pending.has(unit)) return "to be committed";
    const fragment = this.desired.fragment(unit);
    if (fragment === undefined) return "not there";
    return fragment.rows.length === 0 ? "compiled to no rows" : "committed";
  }

  /** Begins to write. Before, changes are only recorded. The effects of all units are offered again, because earlier ones may be incomplete. */
  start(): void {
    this.#loop.start();
    this.#cleared = false;
    for (const unit of this.desired.units()) this.#effects.repeat(unit);
    // Report conflicts about rows: a standby does not report them.
    for (const unit of [...this.#contesting]) this.#place(unit, this.desired.fragment(unit));
    this.#failing.start();
    this.#loop.kick();
  }

  /** Stops compiling and writing, except for the transaction in flight. */
  stop(): void {
    this.#loop.stop();
    this.#warmUp.stop();
    this.#failing.stop();
    this.#contention.clear();
  }

  /**
   * Compiles dirty units and compares them with the database in small parts while the engine does not write, so that little is left to do at
   * `start`. Units that cannot be compiled are reported to `failures`.
   */
  keepWarm(): void {
    this.#warmUp.start();
  }

  #compareWarm(unit: string): void {
    const pending = this.#pending.get(unit);
    const plan = pending && this.#planWarm(unit, pending);
    if (plan === undefined) return;
    if (planSize(plan) > 0 || plan.deferred.size > 0 || plan.misdirected.length > 0) return;
    this.#pending.delete(unit);
    this.#drifted.delete(unit);
  }

  /** An error here is thrown and reported again when the unit is to be written. */
  #planWarm(unit: string, pending: Touched): Plan | undefined {
    try {
      return this.#plan(new Map([[unit, pending]]));
    } catch {
      return undefined;
    }
  }

  /** Compiles all dirty units and returns the transaction that would follow, without committing it. */
  preview(): Plan {
    while (this.#compileNext() !== undefined);
    return this.#plan(this.#pending);
  }

  async #writeBatch(): Promise<number | undefined> {
    await this.#options.whenReady();
    if (!this.#loop.active || !(await this.#compileInParts())) return undefined;
    const batch = this.#nextBatch();
    if (batch.length === 0) return undefined;
    await this.#flush(batch);
    return this.#refusedBatches.pause;
  }

  /**
   * If the next transaction needs many units to be compiled, compiles most of them, and lets the event loop turn after each part: a leader that
   * sends nothing to the database for 4 s loses its lock, and on a busy machine the processor time of a tenth of a second takes as long. False:
   * the engine was stopped meanwhile.
   */
  async #compileInParts(): Promise<boolean> {
    const { tracker, timers, whenReady, batch: limit = MAX_UNITS } = this.#options;
    const { turn = () => new Promise<void>((resolve) => void timers.after(0, resolve)) } = this.#options;
    if (tracker.dirtyCount <= PART) return true;
    let atomic = Iterator.from(this.#pending.keys()).some((unit) => tracker.isAtomic(unit));
    while (tracker.dirtyCount > PART && (atomic || this.#pending.size < limit)) {
      for (let i = 0; i < PART; i++) {
        const unit = this.#compileNext();
        atomic ||= unit !== undefined && tracker.isAtomic(unit);
      }
      await turn();
      await whenReady();
      if (!this.#loop.active) return false;
    }
    return true;
  }

  #nextBatch(): string[] {
    const split = this.#refusedBatches.next();
    if (split !== undefined) return split;
    const { tracker, batch: limit = MAX_UNITS } = this.#options;
    return chooseBatch({
      pending: () => this.#pending.keys(),
      unoffered: () => this.#effects.due,
      compileNext: () => this.#compileNext(),
      onCompiled: () => this.#cleared || this.#touchOrphanedMembers(),
      isReady: (unit) => this.#failing.isReady(unit),
      isAtomic: (unit) => tracker.isAtomic(unit),
      isNew: (unit) => this.#isAllNew(unit),
      limit,
    });
  }

  #touchOrphanedMembers(): void {
    this.#cleared = true;
    const { view, ownColumns = [], sets = new Map() } = this.#options;
    for (const { unit, edge } of findOrphanedMembers(this.desired, view, ownColumns, this.#isKept))
      this.#touchedOf(unit).edge(edge);
    for (const { unit, edge } of findMovedMembers(this.desired, view, sets)) this.#touchedOf(unit).edge(edge);
  }

  /** Whether a unit has a row that the database does not have. */
  #isNew(unit: string): boolean {
    const rows = this.desired.fragment(unit)?.rows ?? [];
    return rows.some((row) => this.#options.view.get(row.table, row.uuid) === undefined);
  }

  /** Whether a unit has rows, and none of them is in the database. An existing port may carry traffic even if other rows of its unit are new. */
  #isAllNew(unit: string): boolean {
    const rows = this.desired.fragment(unit)?.rows ?? [];
    return rows.length > 0 && rows.every((row) => this.#options.view.get(row.table, row.uuid) === undefined);
  }

  #compileNext(): string | undefined {
    const unit = this.#options.tracker.take();
    if (unit !== undefined) this.#compile(unit);
    return unit;
  }

  #compile(unit: string): void {
    const compiled = this.#compiler.compile(unit);
    if (compiled === undefined) return;
    const { changed, fragment } = compiled;
    if (!changed) {
      if (this.#effects.repeat(unit)) this.#effects.renew(unit);
      return;
    }
    this.stats.compiled++;
    const { identity } = this.#options;
    const ours = fragment && identity !== undefined ? withClusterId(fragment, identity) : fragment;
    this.#place(unit, ours && withOwner(unit, ours));
  }

  /** Puts a fragment into the desired state, and then the fragments of units that waited for a row that it has released. */
  #place(unit: string, fragment: Fragment<E> | undefined): void {
    const { touched, conflicts, freed } = this.desired.replace(unit, fragment);
    this.#contesting.delete(unit);
    this.#misdirected.delete(unit);
    for (const row of conflicts) {
      this.#contesting.add(unit);
      this.#effects.renew(unit);
      // A standby reports it at `start`, if the conflict still exists.
      if (!this.#loop.active) continue;
      const owner = this.desired.row(row.uuid)?.unit;
      this.#options.onUnitFailure(
        unit,
        new Error(`${row.table} ${row.label} belongs to ${owner}; it is not created twice`),
      );
    }
    this.#drifted.delete(unit);
    if (touched.size > 0) this.#touchedOf(unit).merge(touched);
    this.#effects.replaced(unit);
    this.#failing.hurry(unit);
    for (const other of freed) this.#place(other, this.desired.fragment(other));
  }

  async #flush(batch: readonly string[]): Promise<void> {
    const { tracker } = this.#options;
    const taken = new Map<string, Touched>();
    for (const unit of batch) {
      const pending = this.#pending.get(unit);
      if (pending === undefined) continue;
      this.#pending.delete(unit);
      taken.set(unit, pending);
    }
    let plan: Plan;
    try {
      plan = this.#plan(taken);
    } catch (error) {
      for (const [unit, pending] of taken) this.#touchedOf(unit).merge(pending);
      this.#refusedBatches.unplanned([...taken.keys()], error);
      return;
    }
    if (planSize(plan) > 0 && !(await this.#commit(plan, taken, batch.length))) return;
    for (const { unit, message } of plan.misdirected) {
      if (this.#misdirected.get(unit) !== message) this.#options.onUnitFailure(unit, new Error(message));
      this.#misdirected.set(unit, message);
      this.#effects.renew(unit);
      this.#effects.defer(unit);
    }
    const deferred = this.#deferredUnits(plan);
    for (const unit of batch) {
      this.#drifted.delete(unit);
      this.#refusedBatches.clear(unit);
      this.#failing.delete(unit);
      // A newer version of the unit may have other effects; they are offered when it is committed.
      if (tracker.isDirty(unit) || !this.#effects.due.has(unit)) continue;
      if (deferred.has(unit)) this.#effects.defer(unit);
      else this.#effects.committed(unit);
    }
  }

  /** Commits the plan of a batch of `units` units. False if it is not committed; then `taken` is pending again. */
  async #commit(plan: Plan, taken: ReadonlyMap<string, Touched>, units: number): Promise<boolean> {
    const { commit, onCommit, onDeposed } = this.#options;
    const repaired = [...repairsIn(plan, this.desired, (unit) => this.#drifted.has(unit))];
    const repairs = repaired.length;
    const started = performance.now();
    const outcome = await commit(plan).catch(
      (error: unknown): CommitOutcome => ({
        kind: "unknown",
        error: error instanceof Error ? error : new Error(String(error)),
      }),
    );
    if (outcome.kind !== "committed") {
      for (const [unit, pending] of taken) this.#touchedOf(unit).merge(pending);
      if (outcome.kind === "deposed") {
        this.stop();
        onDeposed();
      } else if (outcome.kind === "refused") {
        this.stats.failures++;
        this.#refusedBatches.refused(plan, taken, outcome);
      } else {
        this.#refusedBatches.unknown([...taken.keys()], outcome);
      }
      return false;
    }
    this.#refusedBatches.committed();
    this.stats.transactions++;
    this.stats.operations += planSize(plan);
    this.stats.repairs += repairs;
    for (const { unit, what, wanted } of repaired) {
      const pause = what && this.#contention.repaired(what, wanted);
      if (what === undefined || pause === undefined) continue;
      this.stats.contended++;
      this.#options.onContention?.(unit, what, pause);
    }
    onCommit?.({ plan, units, repairs, ms: performance.now() - started });
    return true;
  }

  readonly #isKept = (unit: string): boolean => this.#compiler.failed.has(unit);

  /** The plan for these units. Rows of failing units are not included. */
  #plan(taken: ReadonlyMap<string, Touched>): Plan {
    const { view, othersKeys } = this.#options;
    const touched = new Touched();
    for (const one of taken.values()) touched.merge(one);
    return planChanges(this.desired, view, touched, {
      isKept: this.#isKept,
      isApart: (unit) => this.#failing.has(unit) && !taken.has(unit),
      isHeld: (what, wanted) => this.#contention.isHeld(what, wanted),
      ...(othersKeys && { othersKeys }),
    });
  }

  /** The database refuses this unit alone. */
  #fail(unit: string, error: Error): void {
    this.#failing.add(unit);
    // When it succeeds later, its effects must replace the reported failure.
    if (this.#effects.repeat(unit)) this.#effects.renew(unit);
    this.#options.onUnitFailure(unit, error);
  }

  #deferredUnits(plan: Plan): Set<string> {
    const units = new Set(this.#contesting);
    for (const uuid of plan.deferred) {
      const owner = this.desired.row(uuid)?.unit;
      if (owner !== undefined) units.add(owner);
    }
    return units;
  }

  #hasPending(): boolean {
    if (this.#refusedBatches.dividing) return true;
    for (const unit of this.#pending.keys()) if (this.#failing.isReady(unit)) return true;
    for (const unit of this.#effects.due) if (this.#failing.isReady(unit)) return true;
    return false;
  }

  #touchedOf(unit: string): Touched {
    let touched = this.#pending.get(unit);
    if (touched === undefined) {
      touched = new Touched();
      this.#pending.set(unit, touched);
    }
    return touched;
  }
}
