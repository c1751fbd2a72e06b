// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import type { WeftEffect } from "../../compile/effects.ts";
import { EDGE_COLUMNS } from "../../kinds/edge-columns.ts";
import type { Engine } from "../../reconcile/engine.ts";
import { exceedsDeleteLimit, planSweep } from "../../reconcile/orphaned-rows.ts";
import { planSize } from "../../reconcile/transaction-plan.ts";
import type { Northbound } from "../databases/northbound.ts";

/** What a sweep needs. */
export interface SweepTools {
  readonly engine: Engine<WeftEffect>;
  readonly northbound: Northbound;
  readonly log: Logger;
  /** Whether the administrator has allowed a sweep of any size. */
  readonly allowed: boolean;
}

/**
 * Deletes orphaned rows of earlier runs that no unit wants. Each new leader does it once, after every unit has compiled; later changes leave no
 * orphaned rows. If it would delete too many, it does nothing and logs how to continue. False: it could not be committed and must be retried, because
 * the remaining rows may conflict with desired ones. `isSwept`: which rows may be deleted; all by default.
 */
export async function sweepOnce(
  { engine, northbound, log, allowed }: SweepTools,
  isSwept: (uuid: string) => boolean = () => true,
): Promise<boolean> {
  const { desired } = engine;
  const sweep = planSweep(
    desired,
    Iterator.from(northbound.rows()).filter(({ uuid }) => isSwept(uuid) || desired.row(uuid) !== undefined),
    (table) => northbound.view.isRoot(table),
    EDGE_COLUMNS,
    (unit) => engine.uncompiled.has(unit),
  );
  engine.stats.heldBack = 0;
  if (planSize(sweep.plan) === 0) return true;
  const size = { orphans: sweep.orphans.length, owned: sweep.owned };
  const stopped = exceedsDeleteLimit(sweep) && !allowed;
  if (stopped) {
    engine.stats.heldBack = sweep.orphans.length;
    log.error(
      {
        ...size,
        examples: sweep.orphans.slice(0, 5).map((row) => `${row.table} ${String(row.columns["name"] ?? row.uuid)}`),
      },
      "the sweep is stopped because it would delete too many rows; check the output of `weft-controller plan`, and if it is correct, start the controller once with --allow-mass-delete",
    );
    if (planSize(sweep.replaced) === 0) return true;
  }
  // Rows that conflict with desired ones are deleted in any case.
  const plan = stopped ? sweep.replaced : sweep.plan;
  const outcome = await northbound.commit(plan);
  if (outcome.kind !== "committed") {
    log.warn({ ...size, outcome: outcome.kind }, "failed to commit the sweep; retrying");
    return false;
  }
  engine.stats.transactions++;
  engine.stats.operations += planSize(plan);
  if (!stopped) log.info(size, "orphaned rows deleted");
  return true;
}
