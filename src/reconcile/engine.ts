// SPDX-License-Identifier: Apache-2.0

import { Failures } from "../desired/failures.ts";
import type { Effect, Fragment } from "../desired/fragment.ts";
import { splitUnitId, unitId } from "../desired/unit-kind.ts";
import type { FactChange } from "../facts/fact-change.ts";
import { chooseBatch } from "./batch.ts";
import { Contention } from "./contention.ts";
import { Desired } from "./desired.ts";
import { noteDrift, type ObservedChange } from "./drift.ts";
import type { EngineOptions, EngineStats } from "./engine-options.ts";
import { FailedCommits } from "./failed-commits.ts";
import { FailingUnits } from "./failing-units.ts";
import { findOrphanedMembers } from "./orphaned-members.ts";
import type { CommitOutcome } from "./outcome.ts";
import { type Plan, planChanges, planSize } from "./plan.ts";
import { repairsIn } from "./repairs.ts";
import { Touched } from "./touched.ts";
import type { Compiled } from "./tracker.ts";
import { withClusterId } from "./with-cluster-id.ts";
import { withOwner } from "./with-owner.ts";

/** How many units a standby compiles at once, and after what pause, in ms: the leader may be on the same machine. */
const WARM = { units: 50, pauseMs: 10 } as const;

/**
 * The one loop: dirty units → fragments → what they touch, compared with the database → one transaction → effects.
 *
 * One transaction is in flight at a time; what becomes dirty meanwhile makes the next one, so batches grow under load by
 * themselves. A batch that the database refuses is divided until the bad unit stands alone; that one backs off while the
 * rest goes on. So is one with which the connection breaks twice running: a value that kills the server, or its parser, would otherwise
 * stop everything, here and at every successor.
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
  /** unit → what of it may differ from the database. */
  readonly #pending = new Map<string, Touched>();
  /** Units whose effects are to be offered when what is pending of them is committed. */
  readonly #unoffered = new Set<string>();
  /** Those of them whose facts have changed and changed back, perhaps with an effect in between. */
  readonly #renewed = new Set<string>();
  /** Units with rows that wait for the row that would hold them; their effects wait as well. */
  readonly #deferred = new Set<string>();
  /** Units with a row that another one owns; their effects wait until it owns it no more. */
  readonly #contesting = new Set<string>();
  /** Units with an edge to another's row than was meant → what was said of the last one. */
  readonly #misdirected = new Map<string, string>();
  readonly #failing: FailingUnits;
  readonly #failures: Failures;
  readonly #contention: Contention;
  /** Units that could not be compiled. What is there of them stays. */
  readonly #uncompiled = new Set<string>();
  /** Those who wait until there are none of these. */
  #compiled: (() => void)[] = [];
  readonly #failedCommits: FailedCommits;
  /** Ends a pause of the loop. */
  #wake: () => void = () => undefined;
  /** Units pending only because the database changed, not because they were compiled. */
  readonly #drifted = new Set<string>();
  /** Whether what an earlier run left behind in our sets has been looked for. */
  #cleared = false;
  /** Units that are to be compared with the database although nothing is written; none where nobody keeps warm. */
  #warm: Set<string> | undefined;
  #warming = false;
  #active = false;
  #busy = false;
  #idle: (() => void)[] = [];

  constructor(options: EngineOptions<E>) {
    this.#options = options;
    this.#failing = new FailingUnits(options.timers, () => this.#kick());
    this.#contention = new Contention(options.timers, ({ table, row, column, member }) => {
      const unit =
        member === undefined
          ? this.desired.row(row)?.unit
          : (this.desired.members(row, column)?.get(member)?.unit ?? this.desired.row(row)?.unit);
      if (unit === undefined) return;
      if (!this.#pending.has(unit)) this.#drifted.add(unit);
      if (member === undefined) this.#touchedOf(unit).row(table, row);
      else this.#touchedOf(unit).edge({ table, row, column, member });
      this.#kick();
    });
    this.#failedCommits = new FailedCommits({
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
  }

  /** How many units wait: to be compiled, to be compared with the database and committed, and for the next attempt after the database refused them. */
  get waiting(): { readonly dirty: number; readonly pending: number; readonly refused: number } {
    return { dirty: this.#options.tracker.dirtyCount, pending: this.#pending.size, refused: this.#failing.size };
  }

  /** Units that could not be compiled at the last attempt. They are retried after a back-off. */
  get uncompiled(): ReadonlySet<string> {
    return this.#uncompiled;
  }

  /** Resolves when no unit is left that could not be compiled. */
  whenCompiled(): Promise<void> {
    if (this.#uncompiled.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#compiled.push(resolve));
  }

  /** Whether nothing is to be done now (units that back off apart). */
  get idle(): boolean {
    return !this.#busy && this.#options.tracker.dirtyCount === 0 && !this.#hasPending();
  }

  /** Resolves when the engine is next idle. */
  whenIdle(): Promise<void> {
    if (this.idle) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** A fact has changed. */
  noteFact(change: FactChange): void {
    this.#options.tracker.note(change);
    this.#kick();
    this.#warmUp();
  }

  /** Rows of the database have changed, by our own transactions or by another client. */
  noteDatabase(changes: readonly ObservedChange[]): void {
    for (const change of changes) {
      const touch = (unit: string): Touched => {
        if (!this.#pending.has(unit)) this.#drifted.add(unit);
        if (this.#deferred.delete(unit)) this.#unoffered.add(unit);
        if (!this.#active) this.#warm?.add(unit);
        return this.#touchedOf(unit);
      };
      noteDrift(this.desired, change, touch, this.#options.exclusive);
    }
    this.#kick();
    this.#warmUp();
  }

  /** Compiles a unit, compares all of it with the database and carries its effects out, whatever of that has been done already. */
  retry(unit: string): void {
    const fragment = this.desired.fragment(unit);
    const touched = this.#touchedOf(unit);
    for (const row of fragment?.rows ?? []) touched.row(row.table, row.uuid);
    for (const edge of fragment?.edges ?? []) touched.edge(edge);
    this.#deferred.delete(unit);
    this.#unoffered.add(unit);
    this.#renewed.add(unit);
    this.#options.tracker.mark(unit);
    this.#kick();
  }

  /** How far a unit has got, for people. */
  stateOf(unit: string): string {
    if (this.#options.tracker.isDirty(unit)) return "to be compiled";
    if (this.#uncompiled.has(unit)) return "cannot be compiled";
    if (this.#failing.has(unit)) return "refused by the database";
    if (this.#deferred.has(unit)) return "deferred until the row that refers to it exists";
    if (this.#pending.has(unit)) return "to be committed";
    const fragment = this.desired.fragment(unit);
    if (fragment === undefined) return "not there";
    return fragment.rows.length === 0 ? "compiled to no rows" : "committed";
  }

  /** Begins to write. Until now everything was only noted. What an earlier start left undone outside the database is offered again. */
  start(): void {
    this.#active = true;
    this.#cleared = false;
    for (const unit of this.desired.units()) this.#offerLater(unit);
    // Those who find rows of theirs taken say so: nobody heard them until now.
    for (const unit of [...this.#contesting]) this.#place(unit, this.desired.fragment(unit));
    this.#failing.start();
    this.#kick();
  }

  /** Writes nothing more, except what is in flight, and compiles nothing more. */
  stop(): void {
    this.#active = false;
    this.#warm = undefined;
    this.#failing.stop();
    this.#contention.clear();
    this.#wake();
  }

  /**
   * From now on, while it does not write, it compiles what is dirty in small parts, and looks what of it the database has: then little is left to
   * do when it starts. What cannot be compiled is told of by `failures`.
   */
  keepWarm(): void {
    this.#warm = new Set();
    this.#warmUp();
  }

  #warmUp(): void {
    const { tracker, timers } = this.#options;
    if (this.#active || this.#warming || this.#warm === undefined) return;
    if (this.#warm.size === 0 && tracker.dirtyCount === 0) return;
    this.#warming = true;
    timers.after(WARM.pauseMs, () => {
      this.#warming = false;
      if (!this.#active) this.#warmSome();
      this.#warmUp();
    });
  }

  #warmSome(): void {
    const { tracker } = this.#options;
    const warm = this.#warm ?? new Set();
    for (let i = 0; i < WARM.units; i++) {
      const unit = tracker.take();
      if (unit === undefined) break;
      this.#compile(unit);
      warm.add(unit);
    }
    let left: number = WARM.units;
    for (const unit of warm) {
      if (left-- === 0) break;
      warm.delete(unit);
      const pending = this.#pending.get(unit);
      if (pending === undefined) continue;
      const plan = this.#planWarm(unit, pending);
      if (plan === undefined) continue;
      if (planSize(plan) > 0 || plan.deferred.size > 0 || plan.misdirected.length > 0) continue;
      this.#pending.delete(unit);
      this.#drifted.delete(unit);
    }
  }

  /** What throws here will throw when it is to be written as well, where it is told of. */
  #planWarm(unit: string, pending: Touched): Plan | undefined {
    try {
      return this.#plan(new Map([[unit, pending]]));
    } catch {
      return undefined;
    }
  }

  /** Compiles all dirty units and returns the transaction that would follow, without committing it. */
  preview(): Plan {
    for (let unit = this.#options.tracker.take(); unit !== undefined; unit = this.#options.tracker.take()) {
      this.#compile(unit);
    }
    return this.#plan(this.#pending);
  }

  #kick(): void {
    if (!this.#active || this.#busy) return;
    this.#busy = true;
    // The current task may bring more changes: let it finish, then take them all together.
    queueMicrotask(() => void this.#loop());
  }

  async #loop(): Promise<void> {
    try {
      while (this.#active) {
        await this.#options.whenReady();
        if (!this.#active) break;
        const batch = this.#nextBatch();
        if (batch.length === 0) break;
        await this.#flush(batch);
        const { pause } = this.#failedCommits;
        if (pause > 0) await this.#pause(pause);
      }
    } catch (error) {
      // Of what nothing is known: everything that is not committed is pending still.
      this.#failures.failed({ part: "task", where: "engine", kind: "", key: "" }, error, () => this.#kick());
    } finally {
      this.#busy = false;
      if (this.idle || !this.#active) for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  #nextBatch(): string[] {
    const split = this.#failedCommits.next();
    if (split !== undefined) return split;
    const { tracker, batch: limit = 200 } = this.#options;
    return chooseBatch({
      pending: () => this.#pending.keys(),
      unoffered: () => this.#unoffered,
      compileNext: () => {
        const unit = tracker.take();
        if (unit !== undefined) this.#compile(unit);
        return unit;
      },
      onCompiled: () => this.#cleared || this.#touchOrphanedMembers(),
      isReady: (unit) => this.#failing.isReady(unit),
      isAtomic: (unit) => tracker.isAtomic(unit),
      isNew: (unit) => this.#isAllNew(unit),
      limit,
    });
  }

  #touchOrphanedMembers(): void {
    this.#cleared = true;
    const { view, ownColumns = [] } = this.#options;
    for (const { unit, edge } of findOrphanedMembers(this.desired, view, ownColumns, this.#isKept))
      this.#touchedOf(unit).edge(edge);
  }

  /** Whether a unit has a row that the database does not have. */
  #isNew(unit: string): boolean {
    const rows = this.desired.fragment(unit)?.rows ?? [];
    return rows.some((row) => this.#options.view.get(row.table, row.uuid) === undefined);
  }

  /** Whether a unit has rows, and the database has none of them: a port that is there may carry traffic, whatever else its unit has that is new. */
  #isAllNew(unit: string): boolean {
    const rows = this.desired.fragment(unit)?.rows ?? [];
    return rows.length > 0 && rows.every((row) => this.#options.view.get(row.table, row.uuid) === undefined);
  }

  #compile(unit: string): void {
    const compiled = this.#tryToCompile(unit);
    if (compiled === undefined) return;
    const { changed, fragment } = compiled;
    if (!changed) {
      if (this.#offerLater(unit)) this.#renewed.add(unit);
      return;
    }
    this.stats.compiled++;
    const { identity } = this.#options;
    const ours = fragment && identity !== undefined ? withClusterId(fragment, identity) : fragment;
    this.#place(unit, ours && withOwner(unit, ours));
  }

  /** One unit that cannot be compiled must not stop the others: it stays as it was, and says so. */
  #tryToCompile(unit: string): Compiled<E> | undefined {
    const { tracker, database } = this.#options;
    const subject = { part: "unit", where: "", ...splitUnitId(unit) } as const;
    try {
      const compiled = tracker.compile(unit, (fragment) => {
        if (fragment.database !== database)
          throw new Error(`its rows belong to database ${fragment.database}, not ${database}`);
      });
      this.#failures.succeeded(subject);
      if (this.#uncompiled.delete(unit) && this.#uncompiled.size === 0) {
        // What an earlier run left of those that could not be compiled stayed until now.
        this.#cleared = false;
        for (const resolve of this.#compiled.splice(0)) resolve();
      }
      return compiled;
    } catch (cause) {
      this.#uncompiled.add(unit);
      const why = cause instanceof Error ? cause.message : String(cause);
      const error = new Error(`failed to compile (${why})`, { cause });
      this.#failures.failed(subject, error, () => {
        tracker.mark(unit);
        this.#kick();
      });
      return undefined;
    }
  }

  /** Puts a fragment into the desired state, and then those that had to wait for a row which it has no more. */
  #place(unit: string, fragment: Fragment<E> | undefined): void {
    const { touched, conflicts, freed } = this.desired.replace(unit, fragment);
    this.#contesting.delete(unit);
    this.#misdirected.delete(unit);
    for (const row of conflicts) {
      this.#contesting.add(unit);
      this.#renewed.add(unit);
      // Of what a standby finds it speaks when it starts, if that is still so.
      if (!this.#active) continue;
      const owner = this.desired.row(row.uuid)?.unit;
      this.#options.onUnitFailure(
        unit,
        new Error(`${row.table} ${row.label} belongs to ${owner}; it is not created twice`),
      );
    }
    this.#drifted.delete(unit);
    this.#deferred.delete(unit);
    if (touched.size > 0) this.#touchedOf(unit).merge(touched);
    this.#unoffered.add(unit);
    this.#failing.hurry(unit);
    for (const other of freed) this.#place(other, this.desired.fragment(other));
  }

  async #flush(batch: readonly string[]): Promise<void> {
    const { commit, offerEffects, onCommit, onDeposed, tracker } = this.#options;
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
      this.#failedCommits.unplanned([...taken.keys()], error);
      return;
    }
    const size = planSize(plan);
    if (size > 0) {
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
          this.#failedCommits.refused(plan, taken, outcome);
        } else {
          this.#failedCommits.unknown([...taken.keys()], outcome);
        }
        return;
      }
      this.#failedCommits.committed();
      this.stats.transactions++;
      this.stats.operations += size;
      this.stats.repairs += repairs;
      for (const { unit, what, wanted } of repaired) {
        const pause = what && this.#contention.repaired(what, wanted);
        if (what === undefined || pause === undefined) continue;
        this.stats.contended++;
        this.#options.onContention?.(unit, what, pause);
      }
      onCommit?.({ plan, units: batch.length, repairs, ms: performance.now() - started });
    }
    for (const { unit, message } of plan.misdirected) {
      if (this.#misdirected.get(unit) !== message) this.#options.onUnitFailure(unit, new Error(message));
      this.#misdirected.set(unit, message);
      this.#renewed.add(unit);
      this.#unoffered.delete(unit);
      this.#deferred.add(unit);
    }
    const deferred = this.#deferredUnits(plan);
    for (const unit of batch) {
      this.#drifted.delete(unit);
      this.#failedCommits.clear(unit);
      this.#failing.delete(unit);
      // What has changed since may make its effects wrong; they are offered when it has been compiled again.
      if (tracker.isDirty(unit) || !this.#unoffered.delete(unit)) continue;
      // Deferred rows are taken up again by noteDrift when their holder appears; until then they cost nothing.
      if (deferred.has(unit)) this.#deferred.add(unit);
      else offerEffects(unit, this.desired.fragment(unit)?.effects ?? [], this.#renewed.delete(unit));
    }
  }

  /** Has the effects of a unit offered once more, if it has any. Deferred units are offered when they are not that any more. */
  #offerLater(unit: string): boolean {
    const effects = this.desired.fragment(unit)?.effects ?? [];
    if (effects.length === 0 || this.#deferred.has(unit)) return false;
    this.#unoffered.add(unit);
    return true;
  }

  readonly #isKept = (unit: string): boolean => this.#uncompiled.has(unit);

  /** What is to be done for what is touched of these units. Units that failed do not come along with them. */
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

  /** A unit is to blame, by itself. */
  #fail(unit: string, error: Error): void {
    this.#failing.add(unit);
    // When it is served after all, what was said of it is wrong.
    if (this.#offerLater(unit)) this.#renewed.add(unit);
    this.#options.onUnitFailure(unit, error);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.timers.after(ms, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
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
    if (this.#failedCommits.dividing) return true;
    for (const unit of this.#pending.keys()) if (this.#failing.isReady(unit)) return true;
    for (const unit of this.#unoffered) if (this.#failing.isReady(unit)) return true;
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
