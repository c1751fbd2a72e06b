// SPDX-License-Identifier: Apache-2.0

import type { ColumnValue } from "../desired/fragment.ts";
import type { FactChange } from "../facts/fact-change.ts";
import { everyFact, type FactStore } from "../facts/store.ts";
import { membersOf } from "../reconcile/members.ts";
import type { SweptRow } from "../reconcile/orphaned-rows.ts";
import { ownerOf } from "../reconcile/owner.ts";
import type { Plan } from "../reconcile/transaction-plan.ts";
import type { Clock } from "../time/clock.ts";
import { FORMAT, formatRecord, type RecordLine } from "./record.ts";

/** The receiver of the lines of a recording. */
export interface LineSink {
  /** Queues a line. Never throws and never waits. */
  write(line: string): void;
  /** Writes the queued lines and ends the current segment; a later line begins another one. */
  end(): void;
}

/** Creates a sink that begins each segment with `snapshot`, called when no line is queued: it must describe that moment, however slowly it is read. */
export type OpenSink = (snapshot: () => Iterable<string>) => LineSink;

/** The northbound database: its rows and the transactions that are committed to it. */
export interface CommittingDatabase {
  rows(): Iterable<SweptRow>;
  onCommitted(listener: (plan: Plan) => void): void;
}

/** What is recorded. */
export interface RecordedController {
  readonly facts: FactStore;
  readonly northbound: CommittingDatabase;
  /** See {@link import("./record.ts").HeaderLine}. */
  readonly clusterId: () => string;
  readonly process: string;
  readonly clock: Pick<Clock, "wall">;
}

/** Records the facts that a controller receives and the transactions that it commits, while it leads. */
export class Recorder {
  readonly #of: RecordedController;
  readonly #sink: LineSink;
  #active = false;

  constructor(of: RecordedController, open: OpenSink) {
    this.#of = of;
    this.#sink = open(() => this.#snapshot());
    of.facts.subscribe((change) => this.#noteFact(change), "recorder");
    of.northbound.onCommitted((plan) => this.#write({ line: "commit", at: of.clock.wall(), plan }));
  }

  /** Begins to record, with a snapshot of the current state. */
  begin(): void {
    this.#active = true;
    // The snapshot that a segment begins with has all of it.
    this.#write({ line: "complete" });
  }

  /** Stops recording until it begins again. */
  end(): void {
    this.#active = false;
    this.#sink.end();
  }

  #noteFact({ kind, key, new: value }: FactChange): void {
    const unread = this.#of.facts.isUnread(kind, key) ? { unread: true } : {};
    this.#write({ line: "fact", at: this.#of.clock.wall(), kind, key, value, ...unread });
  }

  #write(line: RecordLine): void {
    if (this.#active) this.#sink.write(formatRecord(line));
  }

  #snapshot(): Iterable<string> {
    const { facts, northbound, clusterId, process, clock } = this.#of;
    const at = clock.wall();
    const known = [...everyFact(facts)];
    const unread = facts.kinds.flatMap((kind) => facts.unread(kind).map((key) => ({ kind, key })));
    const owned = ownedRows([...northbound.rows()]);
    const id = clusterId();
    return (function* (): Generator<string> {
      yield formatRecord({ line: "header", format: FORMAT, at, process, clusterId: id });
      for (const { kind, key, new: value } of known) yield formatRecord({ line: "fact", at, kind, key, value });
      for (const { kind, key } of unread) yield formatRecord({ line: "fact", at, kind, key, unread: true });
      for (const { table, uuid, columns } of owned)
        yield formatRecord({ line: "row", table, uuid, columns: withoutNames(columns) });
      yield formatRecord({ line: "complete" });
    })();
  }
}

/** The rows with an owner, and of tables whose rows cannot say so (`Sample`) those that such a row refers to. */
function ownedRows(rows: readonly SweptRow[]): readonly SweptRow[] {
  const owned = rows.filter(({ ours, columns }) => ours === true || ownerOf(columns) !== undefined);
  const others = rows.filter(({ ours, columns }) => ours !== true && !Object.hasOwn(columns, "external_ids"));
  if (others.length === 0) return owned;
  const named = new Set(owned.flatMap(({ columns }) => Object.values(columns).flatMap(membersOf)));
  return [...owned, ...others.filter(({ uuid }) => named.has(uuid))];
}

/** The columns of a mirrored row, without those that OVSDB adds (`_uuid`). */
function withoutNames(columns: Readonly<Record<string, ColumnValue>>): Readonly<Record<string, ColumnValue>> {
  return Object.fromEntries(Object.entries(columns).filter(([column]) => !column.startsWith("_")));
}
