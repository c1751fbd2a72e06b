// SPDX-License-Identifier: Apache-2.0

import { commaList } from "../../collections/comma-list.ts";
import { parseFlowEnd, type StaleFlow } from "../../contract/stale-udp-flows.ts";
import type { ColumnValue } from "../../desired/fragment.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { mutate, type Operation, type OperationResult, select } from "../../ovsdb/operation.ts";
import { selectedRows } from "../../ovsdb/result.ts";
import type { DatabaseView, Plan } from "../../reconcile/transaction-plan.ts";

type Columns = Readonly<Record<string, ColumnValue>>;

/**
 * The UDP flows that a plan ends: those of load balancers with `ct_flush` to removed endpoints. Addresses with template variables are left out: each
 * node has its own.
 */
export function staleFlows({ updates, deletes }: Plan, view: DatabaseView): readonly StaleFlow[] {
  const changed = [
    ...updates.flatMap(({ row, columns }) =>
      row.table === "Load_Balancer" && "vips" in columns ? [{ uuid: row.uuid, after: columns }] : [],
    ),
    ...deletes.flatMap(({ table, uuid }) => (table === "Load_Balancer" ? [{ uuid, after: {} }] : [])),
  ];
  return changed.flatMap(({ uuid, after }): readonly StaleFlow[] => {
    const before = view.get("Load_Balancer", uuid);
    if (before === undefined || mapOf(before, "options")["ct_flush"] !== "true") return [];
    const now = mapOf(after, "vips");
    return Object.entries(mapOf(before, "vips")).flatMap(([service, endpoints]) => {
      const stay = new Set(commaList(now[service] ?? ""));
      const gone = commaList(endpoints).filter((endpoint) => !stay.has(endpoint));
      return [service, ...gone].every((end) => parseFlowEnd(end) !== undefined)
        ? gone.map((endpoint) => ({ service, endpoint }))
        : [];
    });
  });
}

/**
 * Additional operations of a transaction by which chassis report that they have installed it: each ovn-controller writes the number of the last one
 * that it has installed to its Open vSwitch's database (ovn-controller(8), `ovn-nb-cfg`). If a clustered database runs it twice, a number is skipped.
 */
export const COUNT_UP: readonly Operation[] = [
  mutate(OVN_NB, "NB_Global", [], [["nb_cfg", "+=", 1]]),
  select(OVN_NB, "NB_Global", [], ["nb_cfg"]),
];

/** The number in the result of {@link COUNT_UP}; `undefined` for a database without a row of NB_Global. */
export function countedUp(answers: readonly OperationResult[]): number | undefined {
  const [row] = selectedRows(OVN_NB, "NB_Global", answers.at(-1));
  return row?.nb_cfg;
}

function mapOf(columns: Columns, name: string): Readonly<Record<string, string>> {
  const value = columns[name];
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, string>>)
    : {};
}
