import type { FactChange } from "../facts/store.ts";
import { Failures } from "../unit/failures.ts";
import type { ColumnValue, DesiredRow, Effect, Fragment } from "../unit/fragment.ts";
import { OWNER_KEY } from "../unit/identity.ts";
import { splitUnitId, unitId } from "../unit/kind.ts";
import { samePlain } from "../unit/plain.ts";
import { retryDelay, type Timers } from "../unit/timers.ts";
import { type Contended, Contention } from "./contention.ts";
import { Desired } from "./desired.ts";
import { noteDrift, type ObservedChange } from "./drift.ts";
import { FailingUnits } from "./failing.ts";
import { findLeftovers, type OwnColumn } from "./leftovers.ts";
import { type DatabaseView, type OthersKeys, type Plan, type PlanLimits, planChanges, planSize } from "./plan.ts";
import { Touched } from "./touched.ts";
import type { Compiled, Tracker } from "./tracker.ts";

/**
 * What a commit may come to.
 * - `refused`: the database refuses this very transaction, for ever. `faults`: it was not even sent, for these values cannot be.
 *   Without them, a clustered database may have applied it all the same.
 * - `unknown`: the connection broke or the time was up; the mirror will tell. `dropped`: it broke while the transaction was under way,
 *   perhaps because of it.
 * - `deposed`: somebody else leads now.
 */
export type CommitOutcome =
  | { readonly kind: "committed" }
  | { readonly kind: "refused"; readonly error: Error; readonly faults?: readonly Fault[] }
  | { readonly kind: "unknown"; readonly error: Error; readonly dropped?: boolean }
  | { readonly kind: "deposed" };

/** What of a plan cannot be sent: a row, or one member of a set in it. */
export interface Fault {
  readonly row: string;
  readonly member?: { readonly column: string; readonly value: string };
  readonly error: Error;
}

/** What the engine is given. It knows neither OVN nor Kubernetes. */
export interface EngineOptions<E extends Effect> {
  readonly tracker: Tracker<E>;
  readonly view: DatabaseView;
  readonly commit: (plan: Plan) => Promise<CommitOutcome>;
  /** Resolves when the view is current and writing is possible; a plan against a stale view would be refused. */
  readonly whenReady: () => Promise<void>;
  /** `renew`: what was carried out of them has been undone since. */
  readonly offerEffects: (unit: string, effects: readonly E[], renew: boolean) => void;
  readonly timers: Timers;
  /** Where units that cannot be compiled are told of; without it by `onUnitFailure`. */
  readonly failures?: Failures;
  /** A unit whose rows the database refuses or cannot hold, or that wants a row of another unit; it is tried again by itself. */
  readonly onUnitFailure: (unit: string, error: Error) => void;
  readonly onDeposed: () => void;
  /** Called after each committed transaction: its plan, the number of units, the repairs in it, and how long it took in ms. */
  readonly onCommit?: (commit: { plan: Plan; units: number; repairs: number; ms: number }) => void;
  /**
   * Units per transaction at most; default 200. Where a kind of unit asks for it (`UnitKind.whole`), only those count that bring rows
   * which the database does not have: a port that is not there yet carries no traffic, so it may come later, whereas what
   * changes for the ports that are there changes all at once.
   */
  readonly batch?: number;
  /** The sets of a table all of whose members are ours in a row of ours: what another hand puts in is taken out. */
  readonly exclusive?: (table: string) => readonly string[];
  /** See {@link PlanLimits.othersKeys}. */
  readonly othersKeys?: OthersKeys;
  /** Another program changes again and again what this unit wants; it is put back after a pause in ms. */
  readonly onContention?: (unit: string, what: Contended, pause: number) => void;
  /** Sets that are put right in the first transaction after every unit has compiled; see {@link findLeftovers}. */
  readonly ownColumns?: readonly OwnColumn[];
}

/** So often running a refused transaction is planned again because the database has changed; then it is divided all the same. */
const MOST_OVERTAKEN = 3;

/** Counters since the start. */
export interface EngineStats {
  transactions: number;
  operations: number;
  /** Operations that undid what another hand had done. */
  repairs: number;
  /** Those of them that another program had undone again and again, so that there was a pause. */
  contended: number;
  compiled: number;
  failures: number;
}

/**
 * The one loop: dirty units → fragments → what they touch, compared with the database → one transaction → effects.
 *
 * One transaction is in flight at a time; what becomes dirty meanwhile makes the next one, so batches grow under load by
 * themselves. A batch that the database refuses is divided until the bad unit stands alone; that one backs off while the
 * rest goes on. So is one with which the connection breaks twice running: a value that kills the server, or its parser, would otherwise
 * stop everything, here and at every successor.
 */
export class Engine<E extends Effect> {
  readonly stats: EngineStats = { transactions: 0, operations: 0, repairs: 0, contended: 0, compiled: 0, failures: 0 };
  readonly desired = new Desired<E>();
  readonly #options: EngineOptions<E>;
  /** unit → what of it may differ from the database. */
  readonly #pending = new Map<string, Touched>();
  /** Units whose effects are to be offered when what is pending of them is committed. */
  readonly #unoffered = new Set<string>();
  /** Those of them whose facts have changed and changed back, perhaps with an effect in between. */
  readonly #renewed = new Set<string>();
  /** Units with rows that wait for the row that would hold them; their effects wait as well. */
  readonly #parked = new Set<string>();
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
  /** Parts of a refused batch, to be committed on their own before anything else. */
  #splits: string[][] = [];
  /** Units → with how many commits of theirs running the connection broke. They keep that when the lead is lost, as it then is. */
  readonly #suspects = new Map<string, number>();
  /** Refusals running after which the database was found changed. */
  #overtaken = 0;
  /** Commits running of which the outcome is unknown although the connection held. */
  #unknown = 0;
  /** Ends a pause of the loop. */
  #wake: () => void = () => undefined;
  /** Units pending only because the database changed, not because they were compiled. */
  readonly #drifted = new Set<string>();
  /** Whether what an earlier run left behind in our sets has been looked for. */
  #cleared = false;
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
    this.#failures =
      options.failures ??
      new Failures(options.timers, ({ kind, key, error }) => options.onUnitFailure(unitId(kind, key), error));
  }

  /** Units that could not be compiled when that was last tried. They are tried again after a pause. */
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
  }

  /** Rows of the database have changed, by our own transactions or by another hand. */
  noteDatabase(changes: readonly ObservedChange[]): void {
    for (const change of changes) {
      const touch = (unit: string): Touched => {
        if (!this.#pending.has(unit)) this.#drifted.add(unit);
        if (this.#parked.delete(unit)) this.#unoffered.add(unit);
        return this.#touchedOf(unit);
      };
      noteDrift(this.desired, change, touch, this.#options.exclusive);
    }
    this.#kick();
  }

  /** Compiles a unit, compares all of it with the database and carries its effects out, whatever of that has been done already. */
  retry(unit: string): void {
    const fragment = this.desired.fragment(unit);
    const touched = this.#touchedOf(unit);
    for (const row of fragment?.rows ?? []) touched.row(row.table, row.uuid);
    for (const edge of fragment?.edges ?? []) touched.edge(edge);
    this.#parked.delete(unit);
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
    if (this.#parked.has(unit)) return "waits for the row that would hold it";
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
    this.#failing.start();
    this.#kick();
  }

  /** Writes nothing more, except what is in flight. */
  stop(): void {
    this.#active = false;
    this.#failing.stop();
    this.#contention.clear();
    this.#wake();
  }

  /** Compiles all dirty units and returns the transaction that would follow, without committing it. */
  preview(): Plan {
    const touched = new Touched();
    for (let unit = this.#options.tracker.take(); unit !== undefined; unit = this.#options.tracker.take()) {
      this.#compile(unit);
    }
    for (const pending of this.#pending.values()) touched.merge(pending);
    return planChanges(this.desired, this.#options.view, touched, this.#limits(new Map()));
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
        // Whoever answers at once that it cannot be done now would be asked in a loop; a connection that broke has its own pauses.
        if (this.#unknown > 1) await this.#pause(retryDelay(this.#unknown - 1));
      }
    } finally {
      this.#busy = false;
      if (this.idle || !this.#active) for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  #nextBatch(): string[] {
    const split = this.#splits.pop();
    if (split !== undefined) return split;
    const { tracker, batch: limit = 200 } = this.#options;
    const batch = new Set<string>();
    let whole = false;
    for (const unit of this.#pending.keys()) whole ||= tracker.isWhole(unit);
    let counted = 0;
    const add = (unit: string): void => {
      if (batch.has(unit) || !this.#failing.isReady(unit)) return;
      whole ||= tracker.isWhole(unit);
      const counts = !whole || (!tracker.isWhole(unit) && this.#isNew(unit));
      // What does not fit stays pending.
      if (counts && counted >= limit) return;
      batch.add(unit);
      if (counts) counted++;
    };
    // First what an earlier transaction did not bring about: a pod that is new must not get ahead of the policies for it.
    for (const unit of this.#pending.keys()) if (tracker.isWhole(unit)) add(unit);
    // Behind more new ports than fit there may be ports that are there, and they must not be left out.
    while (whole || counted < limit) {
      const unit = tracker.take();
      if (unit === undefined) break;
      this.#compile(unit);
      add(unit);
    }
    if (!this.#cleared && tracker.dirtyCount === 0) this.#touchLeftovers();
    for (const waiting of [this.#pending.keys(), this.#unoffered]) {
      for (const unit of waiting) {
        if (!whole && counted >= limit) break;
        add(unit);
      }
    }
    return [...batch];
  }

  #touchLeftovers(): void {
    this.#cleared = true;
    const { view, ownColumns = [] } = this.#options;
    for (const { unit, edge } of findLeftovers(this.desired, view, ownColumns, this.#isKept))
      this.#touchedOf(unit).edge(edge);
  }

  /** Whether a unit has a row that the database does not have. */
  #isNew(unit: string): boolean {
    const rows = this.desired.fragment(unit)?.rows ?? [];
    return rows.some((row) => this.#options.view.get(row.table, row.uuid) === undefined);
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
    this.#place(unit, fragment === undefined ? undefined : signed(unit, fragment));
  }

  /** One unit that cannot be compiled must not stop the others: it stays as it was, and says so. */
  #tryToCompile(unit: string): Compiled<E> | undefined {
    const { tracker } = this.#options;
    const subject = { part: "unit", where: "", ...splitUnitId(unit) } as const;
    try {
      const compiled = tracker.compile(unit);
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
      const error = new Error(`it cannot be compiled (${why})`, { cause });
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
      const owner = this.desired.row(row.uuid)?.unit;
      this.#options.onUnitFailure(
        unit,
        new Error(`${row.table} ${row.label} belongs to ${owner}; it is not made twice`),
      );
    }
    this.#drifted.delete(unit);
    this.#parked.delete(unit);
    if (touched.size > 0) this.#touchedOf(unit).merge(touched);
    this.#unoffered.add(unit);
    this.#failing.hurry(unit);
    for (const other of freed) this.#place(other, this.desired.fragment(other));
  }

  async #flush(batch: readonly string[]): Promise<void> {
    const { view, commit, offerEffects, onCommit, onDeposed, tracker } = this.#options;
    const taken = new Map<string, Touched>();
    const touched = new Touched();
    for (const unit of batch) {
      const pending = this.#pending.get(unit);
      if (pending === undefined) continue;
      this.#pending.delete(unit);
      taken.set(unit, pending);
      touched.merge(pending);
    }
    const plan = planChanges(this.desired, view, touched, this.#limits(taken));
    const size = planSize(plan);
    if (size > 0) {
      const repaired = [...this.#repairsIn(plan)];
      const repairs = repaired.length;
      const started = performance.now();
      const outcome = await commit(plan);
      if (outcome.kind !== "committed") {
        for (const [unit, pending] of taken) this.#touchedOf(unit).merge(pending);
        if (outcome.kind === "deposed") {
          this.stop();
          onDeposed();
        } else if (outcome.kind === "refused") {
          this.#refused(plan, taken, outcome);
        } else {
          if (outcome.dropped !== true) this.#unknown++;
          // What was to follow this part must not get ahead of it; all of it is pending still.
          this.#splits = [];
          if (outcome.dropped === true) this.#dropped([...taken.keys()], outcome.error);
        }
        return;
      }
      this.#overtaken = 0;
      this.#unknown = 0;
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
      this.#parked.add(unit);
    }
    const parked = this.#parkedUnits(plan);
    for (const unit of batch) {
      this.#drifted.delete(unit);
      this.#suspects.delete(unit);
      this.#failing.delete(unit);
      // What has changed since may make its effects wrong; they are offered when it has been compiled again.
      if (tracker.isDirty(unit) || !this.#unoffered.delete(unit)) continue;
      // Parked rows are taken up again by noteDrift when their holder appears; until then they cost nothing.
      if (parked.has(unit)) this.#parked.add(unit);
      else offerEffects(unit, this.desired.fragment(unit)?.effects ?? [], this.#renewed.delete(unit));
    }
  }

  /** Has the effects of a unit offered once more, if it has any. Parked units are offered when they are not that any more. */
  #offerLater(unit: string): boolean {
    const effects = this.desired.fragment(unit)?.effects ?? [];
    if (effects.length === 0 || this.#parked.has(unit)) return false;
    this.#unoffered.add(unit);
    return true;
  }

  /** What of a plan undoes another hand's doing; without `what`: a row that is made anew. */
  *#repairsIn(plan: Plan): Iterable<{ unit: string; what?: Contended; wanted?: ColumnValue }> {
    const drifted = (unit: string | undefined): unit is string => unit !== undefined && this.#drifted.has(unit);
    for (const row of plan.inserts) {
      const unit = this.desired.row(row.uuid)?.unit;
      if (drifted(unit)) yield { unit };
    }
    for (const { row, columns } of plan.updates) {
      const unit = this.desired.row(row.uuid)?.unit;
      if (!drifted(unit)) continue;
      for (const column of Object.keys(columns)) {
        yield { unit, what: { table: row.table, row: row.uuid, column }, wanted: row.columns[column] };
      }
    }
    for (const { table, row, column, insert, delete: gone } of plan.mutations) {
      for (const member of insert) {
        const unit = this.desired.members(row, column)?.get(member)?.unit;
        if (drifted(unit)) yield { unit, what: { table, row, column, member }, wanted: true };
      }
      const unit = this.desired.row(row)?.unit;
      for (const member of gone) if (drifted(unit)) yield { unit, what: { table, row, column, member }, wanted: false };
    }
  }

  #refused(
    plan: Plan,
    taken: ReadonlyMap<string, Touched>,
    { error, faults = [] }: Extract<CommitOutcome, { kind: "refused" }>,
  ): void {
    this.stats.failures++;
    this.#unknown = 0;
    const guilty = new Map<string, Error>();
    for (const fault of faults) {
      const owned = this.desired.row(fault.row);
      const unit =
        fault.member === undefined
          ? owned?.unit
          : this.desired.members(fault.row, fault.member.column)?.get(fault.member.value)?.unit;
      if (unit === undefined) continue;
      guilty.set(unit, fault.error);
      // It may have come along with another unit.
      if (owned?.unit === unit) this.#touchedOf(unit).row(owned.row.table, fault.row);
    }
    for (const [unit, reason] of guilty) this.#fail(unit, reason);
    // The others are pending, and go on without them.
    if (guilty.size > 0) return;
    if (faults.length === 0 && this.#overtaken < MOST_OVERTAKEN && !this.#isStill(plan, taken)) {
      // It was applied in spite of the answer, or another hand was quicker: what is left to do is planned again.
      this.#overtaken++;
      return;
    }
    this.#overtaken = 0;
    this.#divide([...taken.keys()], error);
  }

  /** Whether the same plan would be made now. Before it was refused, the mirror has heard of all that the database did until then. */
  #isStill(plan: Plan, taken: ReadonlyMap<string, Touched>): boolean {
    const touched = new Touched();
    for (const one of taken.values()) touched.merge(one);
    const { parked: _, ...now } = planChanges(this.desired, this.#options.view, touched, this.#limits(taken));
    const { parked: __, ...then } = plan;
    return samePlain(now, then);
  }

  readonly #isKept = (unit: string): boolean => this.#uncompiled.has(unit);

  /** Units that failed do not come along with those that are taken. */
  #limits(taken: ReadonlyMap<string, Touched>): PlanLimits {
    const { othersKeys } = this.#options;
    return {
      isKept: this.#isKept,
      isApart: (unit) => this.#failing.has(unit) && !taken.has(unit),
      isHeld: (what, wanted) => this.#contention.isHeld(what, wanted),
      ...(othersKeys && { othersKeys }),
    };
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
        new Error(`the connection breaks whenever this is written: ${error.message}`, { cause: error }),
      );
  }

  #divide(units: readonly string[], error: Error): void {
    const [unit] = units;
    if (unit === undefined) return;
    if (units.length > 1) this.#splits.push(...this.#split(units));
    else this.#fail(unit, error);
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

  /**
   * Two parts of a refused batch, the one to begin with last. What must be whole and all that is there already stay together once more, for
   * most likely something new is wrong; only where nothing is new, or everything, it is halved.
   */
  #split(units: readonly string[]): string[][] {
    const { tracker } = this.#options;
    const fresh = units.filter((unit) => !tracker.isWhole(unit) && this.#isNew(unit));
    if (fresh.length > 0 && fresh.length < units.length) {
      const apart = new Set(fresh);
      return [fresh, units.filter((unit) => !apart.has(unit))];
    }
    const half = Math.ceil(units.length / 2);
    return [units.slice(half), units.slice(0, half)];
  }

  #parkedUnits(plan: Plan): Set<string> {
    const units = new Set(this.#contesting);
    for (const uuid of plan.parked) {
      const owner = this.desired.row(uuid)?.unit;
      if (owner !== undefined) units.add(owner);
    }
    return units;
  }

  #hasPending(): boolean {
    if (this.#splits.length > 0) return true;
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

/** The fragment with its owner written into each row that can say so (those with `external_ids`). */
function signed<E extends Effect>(unit: string, fragment: Fragment<E>): Fragment<E> {
  const rows = fragment.rows.map((row): DesiredRow => {
    const ids = row.columns["external_ids"];
    if (typeof ids !== "object" || Array.isArray(ids)) return row;
    // Array.isArray does not narrow a readonly array away; only a map is left here.
    const map = ids as Readonly<Record<string, string>>;
    return { ...row, columns: { ...row.columns, external_ids: { ...map, [OWNER_KEY]: unit } } };
  });
  return { ...fragment, rows };
}
