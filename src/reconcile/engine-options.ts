// SPDX-License-Identifier: Apache-2.0

import type { Failures } from "../desired/failures.ts";
import type { Database, Effect } from "../desired/fragment.ts";
import type { Timers } from "../time/clock.ts";
import type { Contended } from "./contention.ts";
import type { OwnColumn } from "./orphaned-members.ts";
import type { CommitOutcome } from "./outcome.ts";
import type { Tracker } from "./tracker.ts";
import type { DatabaseView, OthersKeys, Plan } from "./transaction-plan.ts";
import type { RowIdentity } from "./with-cluster-id.ts";

/** The engine's dependencies. It knows neither OVN nor Kubernetes. */
export interface EngineOptions<E extends Effect> {
  readonly tracker: Tracker<E>;
  /** The database that it writes. A unit with rows of another database fails to compile. */
  readonly database: Database;
  readonly view: DatabaseView;
  /** Absent: rows have the uuids of the fragments. */
  readonly identity?: RowIdentity;
  readonly commit: (plan: Plan) => Promise<CommitOutcome>;
  /** Resolves when the view is current and writing is possible; a plan against a stale view would be refused. */
  readonly whenReady: () => Promise<void>;
  /** `renew`: effects that were carried out may have been undone. */
  readonly offerEffects: (unit: string, effects: readonly E[], renew: boolean) => void;
  readonly timers: Timers;
  /** Resolves when the event loop has turned, so that what has arrived meanwhile is processed. By default, a timer of 0 ms. */
  readonly turn?: () => Promise<void>;
  /** Reports units that cannot be compiled; by default `onUnitFailure` does. */
  readonly failures?: Failures;
  /** A unit whose rows the database refuses, or that wants a row of another unit. The engine retries it. */
  readonly onUnitFailure: (unit: string, error: Error) => void;
  readonly onDeposed: () => void;
  /** Called after each committed transaction: its plan, the number of units, the repairs in it, and how long it took in ms. */
  readonly onCommit?: (commit: { plan: Plan; units: number; repairs: number; ms: number }) => void;
  /**
   * The largest number of units in a transaction; by default `MAX_UNITS` in `batch.ts`. If a unit is atomic (`UnitKind.atomic`), only units count of whose rows the database
   * has none: a port that does not exist yet carries no traffic and may be added later, but changes for existing ports must be committed together.
   */
  readonly batch?: number;
  /** The sets of a table all of whose members are ours in a row of ours: what another client adds is removed. */
  readonly exclusive?: (table: string) => readonly string[];
  /** See {@link PlanLimits.othersKeys}. */
  readonly othersKeys?: OthersKeys;
  /** Another program repeatedly changes a value of this unit; it is restored after a pause in ms. */
  readonly onContention?: (unit: string, what: Contended, pause: number) => void;
  /** Sets that are corrected in the first transaction after every unit has compiled; see {@link findOrphanedMembers}. */
  readonly ownColumns?: readonly OwnColumn[];
  /** The sets of each table, which a row of a unit leaves in the unit's first transaction if it is wanted in another one; see {@link findMovedMembers}. */
  readonly sets?: ReadonlyMap<string, readonly { readonly column: string }[]>;
}

/** Counters since the start. */
export interface EngineStats {
  transactions: number;
  operations: number;
  /** Operations that restored what another client had changed. */
  repairs: number;
  /** Repairs of a value that another program changes repeatedly, so that there is a pause. */
  contended: number;
  compiled: number;
  failures: number;
  /** Orphaned rows that the last sweep left because it would have deleted too many. */
  heldBack: number;
}
