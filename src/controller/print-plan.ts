// SPDX-License-Identifier: Apache-2.0

import { EDGE_COLUMNS } from "../kinds/edge-columns.ts";
import { planSweep } from "../reconcile/orphaned-rows.ts";
import { formatPlan } from "../reconcile/plan-text.ts";
import { planSize } from "../reconcile/transaction-plan.ts";
import type { Controller } from "./controller.ts";
import type { Northbound } from "./databases/northbound.ts";

/** What the controller would commit now, and what its first sweep would delete, as text. Writes nothing. */
export async function printPlan(controller: Controller, northbound: Northbound): Promise<string> {
  await controller.sync(AbortSignal.timeout(60_000));
  const { engine } = controller;
  const plan = engine.preview();
  const sweep = planSweep(
    engine.desired,
    northbound.rows(),
    (table) => northbound.view.isRoot(table),
    EDGE_COLUMNS,
    (unit) => engine.uncompiled.has(unit),
  );
  const names = new Map<string, string>();
  for (const { table, uuid, columns } of northbound.rows())
    names.set(uuid, `${table} ${String(columns["name"] ?? uuid)}`);
  for (const { row } of engine.desired.rows()) names.set(row.uuid, `${row.table} ${row.label}`);
  const name = (uuid: string): string | undefined => names.get(uuid);
  if (planSize(plan) + planSize(sweep.plan) === 0)
    return "Nothing to do: the northbound database is as it should be.\n";
  return formatPlan(plan, name) + formatPlan(sweep.plan, name);
}
