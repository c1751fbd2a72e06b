// SPDX-License-Identifier: Apache-2.0

import type { Failures } from "../desired/failures.ts";
import type { Database, Effect } from "../desired/fragment.ts";
import type { Timers } from "../time/clock.ts";
import type { Contended } from "./contention.ts";
import type { OwnColumn } from "./orphaned-members.ts";
import type { CommitOutcome } from "./outcome.ts";
import type { DatabaseView, OthersKeys, Plan } from "./plan.ts";
import type { Tracker } from "./tracker.ts";
import type { RowIdentity } from "./with-cluster-id.ts";

/** What the engine is given. It knows neither OVN nor Kubernetes. */
export interface EngineOptions<E extends Effect> {
  readonly tracker: Tracker<E>;
  /** The one database that it writes. A unit with rows of another cannot be compiled here. */
  readonly database: Database;
  readonly view: DatabaseView;
  /** None: rows have the uuids that fragments say. */
  readonly identity?: RowIdentity;
  readonly commit: (plan: Plan) => Promise<CommitOutcome>;
  /** Resolves when the view is current and writing is possible; a plan against a stale view would be refused. */
  readonly whenReady: () => Promise<void>;
  /** `renew`: what was carried out of them has been undone since. */
  readonly offerEffects: (unit: string, effects: readonly E[], renew: boolean) => void;
  readonly timers: Timers;
  /** Where units that cannot be compiled are told of; without it by `onUnitFailure`. */
  readonly failures?: Failures;
  /** A unit whose rows the database refuses or cannot hold, or that wants a row of another unit; it is retried by itself. */
  readonly onUnitFailure: (unit: string, error: Error) => void;
  readonly onDeposed: () => void;
  /** Called after each committed transaction: its plan, the number of units, the repairs in it, and how long it took in ms. */
  readonly onCommit?: (commit: { plan: Plan; units: number; repairs: number; ms: number }) => void;
  /**
   * Units per transaction at most; default 200. Where a kind of unit asks for it (`UnitKind.atomic`), only those count of whose rows
   * the database has none: a port that is not there yet carries no traffic, so it may come later, whereas what
   * changes for the ports that are there changes all at once.
   */
  readonly batch?: number;
  /** The sets of a table all of whose members are ours in a row of ours: what another client adds is removed. */
  readonly exclusive?: (table: string) => readonly string[];
  /** See {@link PlanLimits.othersKeys}. */
  readonly othersKeys?: OthersKeys;
  /** Another program changes again and again what this unit wants; it is put back after a pause in ms. */
  readonly onContention?: (unit: string, what: Contended, pause: number) => void;
  /** Sets that are put right in the first transaction after every unit has compiled; see {@link findOrphanedMembers}. */
  readonly ownColumns?: readonly OwnColumn[];
}

/** Counters since the start. */
export interface EngineStats {
  transactions: number;
  operations: number;
  /** Operations that restored what another client had changed. */
  repairs: number;
  /** Those of them that another program had undone again and again, so that there was a pause. */
  contended: number;
  compiled: number;
  failures: number;
  /** Orphaned rows that the last sweep left because it would have deleted too many. */
  heldBack: number;
}
