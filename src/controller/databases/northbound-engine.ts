// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import type { WeftEffect } from "../../compile/effects.ts";
import { isOwnKey, isSharedMap } from "../../compile/map-keys.ts";
import type { Failures } from "../../desired/failures.ts";
import { type FactStore, strictReader } from "../../facts/store.ts";
import { EDGE_COLUMNS } from "../../kinds/edge-columns.ts";
import { rootsOf, UNIT_KINDS } from "../../kinds/units.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { isReference } from "../../ovsdb/schema.ts";
import { Engine } from "../../reconcile/engine.ts";
import { Tracker } from "../../reconcile/tracker.ts";
import type { Clock } from "../../time/clock.ts";
import type { Term } from "../leadership/term.ts";
import type { Reporter } from "../status/reporter.ts";
import type { CommitDelay } from "./commit-delay.ts";
import type { CommitObserver } from "./commit-observer.ts";
import { EXCLUSIVE, type Northbound, OWN_COLUMNS } from "./northbound.ts";

/** The dependencies of the engine of the northbound database. */
export interface NorthboundEngineParts {
  readonly facts: FactStore;
  readonly northbound: Northbound;
  readonly clusterId: () => string;
  readonly batching: CommitDelay;
  readonly reporter: Reporter;
  readonly failures: Failures;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called for each transaction. */
  readonly observer?: CommitObserver | undefined;
  /** Absent while this process does not lead. */
  readonly term: () => Term | undefined;
}

/** The engine that compiles units from facts and keeps the northbound database equal to the result. */
export function northboundEngine(parts: NorthboundEngineParts): Engine<WeftEffect> {
  const { facts, northbound, clusterId, batching, reporter, failures, clock, log, term, observer } = parts;
  return new Engine<WeftEffect>({
    tracker: new Tracker(UNIT_KINDS, strictReader(facts), rootsOf),
    database: "OVN_Northbound",
    view: northbound.view,
    identity: { clusterId, isReference: (table, column) => isReference(OVN_NB, table, column) },
    ownColumns: OWN_COLUMNS,
    sets: EDGE_COLUMNS,
    exclusive: (table) => EXCLUSIVE.get(table) ?? [],
    othersKeys: (table, column, keys) =>
      isSharedMap(table, column) ? keys.filter((key) => !isOwnKey(table, column, key)) : undefined,
    onContention: (unit, what, pause) => reporter.contended(unit, what, pause),
    commit: async (plan) => {
      const started = performance.now();
      const outcome = await northbound.commit(plan);
      observer?.ended(outcome.kind, performance.now() - started);
      return outcome;
    },
    whenReady: async () => {
      const present = term();
      if (present !== undefined) await batching.wait(present.recorder);
      // Leadership may have been lost meanwhile, and the connection may be closed.
      if (term() !== undefined) await northbound.whenReady();
    },
    offerEffects: (unit, effects, renew) => term()?.effects.offer(unit, effects, renew),
    timers: clock,
    failures,
    onUnitFailure: (unit, error) => reporter.unitRefused(unit, error),
    onDeposed: () => log.warn("the northbound database rejected a transaction: this process does not hold the lock"),
    onCommit: ({ plan, units, repairs, ms }) => {
      observer?.committed(units);
      log.debug(
        {
          units,
          repairs,
          ms: Math.round(ms),
          inserts: plan.inserts.length,
          updates: plan.updates.length,
          mutations: plan.mutations.length,
          deletes: plan.deletes.length,
        },
        "committed",
      );
    },
  });
}
