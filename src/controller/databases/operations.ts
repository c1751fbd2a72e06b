// SPDX-License-Identifier: Apache-2.0

import { splitMapEntry } from "../../desired/map-entry.ts";
import type { NorthboundTable } from "../../kinds/northbound.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { insert, mutate, type Operation, remove, update } from "../../ovsdb/operation.ts";
import { type ColumnSchema, columnKind, tableSchema } from "../../ovsdb/schema.ts";
import type { Fault } from "../../reconcile/outcome.ts";
import type { Plan, PlannedMutation } from "../../reconcile/transaction-plan.ts";

/**
 * The operations of a plan, and the parts that cannot be encoded: strings that OVSDB cannot store, duplicate members.
 *
 * Each operation may be run twice, as a clustered database does by itself: rows are inserted with our uuids, columns are set to values, members are
 * added to sets and removed. There are no increments.
 */
export function operationsOf(plan: Plan): {
  readonly operations: readonly Operation[];
  readonly faults: readonly Fault[];
} {
  const operations: Operation[] = [];
  const faults: Fault[] = [];
  const add = (row: string, encode: () => Operation): void => {
    try {
      operations.push(encode());
    } catch (error) {
      faults.push({ row, error: asError(error) });
    }
  };
  for (const { table, uuid, columns } of plan.inserts) {
    add(uuid, () => insert(OVN_NB, table as NorthboundTable, uuid, columns as never));
  }
  for (const { row, columns } of plan.updates) {
    add(row.uuid, () => update(OVN_NB, row.table as NorthboundTable, row.uuid, columns as never));
  }
  for (const mutation of plan.mutations) {
    try {
      operations.push(mutationOf(mutation));
    } catch (error) {
      faults.push(...memberFaults(mutation, asError(error)));
    }
  }
  for (const { table, uuid } of plan.deletes) add(uuid, () => remove(OVN_NB, table as NorthboundTable, uuid));
  return { operations, faults };
}

function mutationOf({ table, row, column, insert: come, delete: go }: PlannedMutation): Operation {
  const columns: Readonly<Record<string, ColumnSchema>> = tableSchema(OVN_NB, table as NorthboundTable).columns;
  const described = columns[column];
  const kind = described && columnKind(described);
  const encode = (members: readonly string[]): unknown => {
    if (kind === "map") return Object.fromEntries(members.map(splitMapEntry));
    // A reference that may be absent is a set of one member at most.
    return kind === "optional" && members.length === 1 ? members[0] : members;
  };
  const mutations: unknown[] = [];
  // In this order, because an insert into a map does not replace the entry of a key.
  if (go.length > 0) mutations.push([column, "delete", encode(go)]);
  if (come.length > 0) mutations.push([column, "insert", encode(come)]);
  return mutate(OVN_NB, table as NorthboundTable, row, mutations as never);
}

/** The members of a set that cannot be encoded, which may belong to different units; otherwise the whole set. */
function memberFaults(mutation: PlannedMutation, error: Error): readonly Fault[] {
  const { row, column } = mutation;
  const faults: Fault[] = [];
  for (const value of mutation.insert) {
    try {
      mutationOf({ ...mutation, insert: [value], delete: [] });
    } catch (reason) {
      faults.push({ row, member: { column, value }, error: asError(reason) });
    }
  }
  return faults.length > 0 ? faults : [{ row, error }];
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
