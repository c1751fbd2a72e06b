// SPDX-License-Identifier: Apache-2.0

import { unitId } from "../desired/unit-kind.ts";
import type { FactChange } from "../facts/fact-change.ts";
import type { FactStore } from "../facts/store.ts";
import type { FactKind, FactTypes } from "../facts/types.ts";
import { factStore } from "../kinds/store.ts";
import { rootsOf } from "../kinds/units.ts";
import { ownerOf } from "../reconcile/owner.ts";
import { CommittedRows } from "./committed.ts";
import type { HeaderLine, RecordedPlan, RecordLine } from "./record.ts";

/** A change of a fact, and the units that exist because of that fact. */
export interface RecordedChange {
  readonly at: number;
  readonly change: FactChange;
  readonly roots: readonly string[];
}

/** A transaction, and the units whose rows it changed. */
export interface RecordedCommit {
  readonly at: number;
  readonly plan: RecordedPlan;
  readonly units: readonly string[];
  /** Changes of facts since the replay began before it: an index into what {@link Replay.changes} counts. */
  readonly after: number;
}

/** How many changes and transactions are kept. */
const KEPT = { changes: 5_000, commits: 1_000 };

/** The state of a recorded controller, line by line. Bounded: only the latest changes are kept. */
export class Replay {
  readonly header: HeaderLine;
  readonly facts: FactStore = factStore();
  readonly rows = new CommittedRows();
  /** Kinds of facts that this program does not know: another version recorded them. */
  readonly unknownKinds = new Set<string>();
  #complete = false;
  #last: number;
  #changes: RecordedChange[] = [];
  #commits: RecordedCommit[] = [];
  #counted = 0;
  #committed = 0;

  constructor(header: HeaderLine) {
    this.header = header;
    this.#last = header.at;
  }

  /** Whether the segment's snapshot has been read completely. */
  get complete(): boolean {
    return this.#complete;
  }

  /** The time of the last line. */
  get last(): number {
    return this.#last;
  }

  /** The last changes, oldest first; `first` is the number of those before them. */
  get changes(): { readonly first: number; readonly list: readonly RecordedChange[] } {
    return { first: this.#counted - this.#changes.length, list: this.#changes };
  }

  /** The last transactions, oldest first. */
  get commits(): readonly RecordedCommit[] {
    return this.#commits;
  }

  /** The number of changes and transactions read. */
  get counts(): { readonly changes: number; readonly commits: number } {
    return { changes: this.#counted, commits: this.#committed };
  }

  /** Applies the next line. */
  apply(line: RecordLine): void {
    if (line.line === "header") return;
    if (line.line === "complete") this.#complete = true;
    else if (line.line === "row") this.rows.set(line.uuid, { table: line.table, columns: line.columns });
    else {
      this.#last = Math.max(this.#last, line.at);
      if (line.line === "fact") this.#fact(line.at, line.kind, line.key, line.value, line.unread ?? false);
      else this.#commit(line.at, line.plan);
    }
  }

  #fact(at: number, kind: string, key: string, value: unknown, unread: boolean): void {
    if (!isKind(this.facts, kind)) {
      this.unknownKinds.add(kind);
      return;
    }
    const change = this.#set(kind, key, value);
    // To set a fact removes the mark.
    if (unread) this.facts.setUnread(kind, key, true);
    if (!this.#complete || change === undefined) return;
    this.#counted++;
    const roots = rootsOf(change as FactChange).map((root) => unitId(root.kind, root.key));
    this.#changes.push({ at, change: change as FactChange, roots });
    // Half of them at once: an array is not shifted for each line.
    if (this.#changes.length > 2 * KEPT.changes) this.#changes = this.#changes.slice(-KEPT.changes);
  }

  /** The controller's own projection made it. Another version's may not be what the indexes of this one read: then the object counts as unread. */
  #set(kind: FactKind, key: string, value: unknown): FactChange<FactKind> | undefined {
    try {
      return this.facts.set(kind, key, value as FactTypes[FactKind] | undefined);
    } catch {
      this.facts.setUnread(kind, key, true);
      return undefined;
    }
  }

  #commit(at: number, plan: RecordedPlan): void {
    const units = this.#unitsOf(plan);
    this.rows.apply(plan);
    this.#committed++;
    this.#commits.push({ at, plan, units, after: this.#counted });
    if (this.#commits.length > 2 * KEPT.commits) this.#commits = this.#commits.slice(-KEPT.commits);
  }

  /** The units whose rows, or whose memberships, a plan changes. Called before it is applied: deleted rows still exist. */
  #unitsOf({ inserts, updates, mutations, deletes }: RecordedPlan): readonly string[] {
    const own = new Map(inserts.map(({ uuid, columns }) => [uuid, ownerOf(columns)]));
    const owner = (uuid: string): string | undefined => own.get(uuid) ?? ownerOf(this.rows.get(uuid)?.columns ?? {});
    const units = [
      ...inserts.map(({ columns }) => ownerOf(columns)),
      ...updates.map(({ row }) => ownerOf(row.columns) ?? owner(row.uuid)),
      ...mutations.flatMap(({ row, insert, delete: leaving }) =>
        [...insert, ...leaving].map((member) => owner(member) ?? owner(row)),
      ),
      ...deletes.map(({ uuid }) => owner(uuid)),
    ];
    return [...new Set(units.filter((unit) => unit !== undefined))].sort();
  }
}

function isKind(facts: FactStore, kind: string): kind is FactKind {
  return (facts.kinds as readonly string[]).includes(kind);
}
