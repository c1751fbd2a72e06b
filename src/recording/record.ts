// SPDX-License-Identifier: Apache-2.0

import { isObject } from "../collections/plain.ts";
import type { ColumnValue, DesiredRow } from "../desired/fragment.ts";
import type { Plan } from "../reconcile/transaction-plan.ts";
import { RecordingError } from "./error.ts";

/**
 * The lines of a recording. A segment begins with a header, all facts, all rows of ours in the northbound database, and `complete`; each later line is a
 * change. So each segment can be read without those before it. Times are milliseconds since the epoch.
 */
export type RecordLine = HeaderLine | FactLine | RowLine | CompleteLine | CommitLine;

/** The version of the format. A program reads only its own. */
export const FORMAT = 1;

/** The first line of a segment. */
export interface HeaderLine {
  readonly line: "header";
  readonly format: number;
  readonly at: number;
  /** The controller's identity among the replicas. */
  readonly process: string;
  /** See `qualify` in `src/desired/identity.ts`. */
  readonly clusterId: string;
}

/** The new value of a fact; without `value` it is deleted. */
export interface FactLine {
  readonly line: "fact";
  readonly at: number;
  readonly kind: string;
  readonly key: string;
  readonly value?: unknown;
  /** The object exists and could not be read. */
  readonly unread?: boolean;
}

/** A row as it was in the database when the segment began. */
export interface RowLine {
  readonly line: "row";
  readonly table: string;
  readonly uuid: string;
  readonly columns: Columns;
}

/** The end of the segment's snapshot. */
export interface CompleteLine {
  readonly line: "complete";
}

/** A transaction that was committed. */
export interface CommitLine {
  readonly line: "commit";
  readonly at: number;
  readonly plan: RecordedPlan;
}

/** The recorded parts of a {@link Plan}: those that were committed. */
export type RecordedPlan = Pick<Plan, "inserts" | "updates" | "mutations" | "deletes">;

/** The columns of a row. */
export type Columns = Readonly<Record<string, ColumnValue>>;

/** A line as text, without its end. An optional column that loses its value is written as null. */
export function formatRecord(line: RecordLine): string {
  if (line.line !== "commit") return JSON.stringify(line);
  const { inserts, updates, mutations, deletes } = line.plan;
  // A function that replaces values would take several times as long, and the leader waits.
  const cleared = updates.map((update) => ({ ...update, columns: withNulls(update.columns) }));
  return JSON.stringify({ ...line, plan: { inserts, updates: cleared, mutations, deletes } });
}

function withNulls(columns: Columns): Readonly<Record<string, ColumnValue | null>> {
  return Object.fromEntries(Object.entries(columns).map(([name, value]) => [name, value ?? null]));
}

/** Reads a line. Throws a {@link RecordingError}. `where` is for its message. */
export function parseRecord(text: string, where: string): RecordLine {
  const malformed = (cause?: unknown): RecordingError =>
    new RecordingError("malformed", `${where} is not a line of a recording`, { cause });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw malformed(error);
  }
  if (!isObject(value)) throw malformed();
  const { line, at = 0, kind, key, table, uuid, columns, plan, format, process, clusterId } = value;
  if (typeof at !== "number") throw malformed();
  switch (line) {
    case "header":
      if (format !== FORMAT)
        throw new RecordingError("version", `${where}: format ${String(format)} is not supported, only ${FORMAT}`);
      if (typeof process !== "string" || typeof clusterId !== "string") throw malformed();
      return { line, format, at, process, clusterId };
    case "fact":
      if (typeof kind !== "string" || typeof key !== "string") throw malformed();
      return { line, at, kind, key, value: value["value"], ...(value["unread"] === true && { unread: true }) };
    case "row": {
      const known = columnsOf(columns);
      if (typeof table !== "string" || typeof uuid !== "string" || known === undefined) throw malformed();
      return { line, table, uuid, columns: known };
    }
    case "commit": {
      const known = planOf(plan);
      if (known === undefined) throw malformed();
      return { line, at, plan: known };
    }
    case "complete":
      return { line };
    default:
      throw malformed();
  }
}

/** The columns of a row; null is an optional column without a value. Undefined if it is something else. */
function columnsOf(value: unknown): Columns | undefined {
  if (!isObject(value)) return undefined;
  const columns: Record<string, ColumnValue> = {};
  for (const [name, item] of Object.entries(value)) {
    if (item !== null && !isColumnValue(item)) return undefined;
    columns[name] = item ?? undefined;
  }
  return columns;
}

function isColumnValue(value: unknown): value is ColumnValue {
  if (Array.isArray(value)) return value.every(isScalar);
  return isScalar(value) || (isObject(value) && Object.values(value).every(isScalar));
}

function isScalar(value: unknown): value is string | number | boolean {
  return ["string", "number", "boolean"].includes(typeof value);
}

function planOf(value: unknown): RecordedPlan | undefined {
  if (!isObject(value)) return undefined;
  const inserts = listOf(value["inserts"], rowOf);
  const updates = listOf(value["updates"], ({ row, columns, before }) => {
    const [of, now, former] = [isObject(row) ? rowOf(row) : undefined, columnsOf(columns), columnsOf(before)];
    return of && now && former && { row: of, columns: now, before: former };
  });
  const mutations = listOf(value["mutations"], ({ table, row, column, insert, delete: leaving }) => {
    if (typeof table !== "string" || typeof row !== "string" || typeof column !== "string") return undefined;
    return isTexts(insert) && isTexts(leaving) ? { table, row, column, insert, delete: leaving } : undefined;
  });
  const deletes = listOf(value["deletes"], ({ table, uuid }) =>
    typeof table === "string" && typeof uuid === "string" ? { table, uuid } : undefined,
  );
  return inserts && updates && mutations && deletes && { inserts, updates, mutations, deletes };
}

function rowOf({ table, uuid, label, columns }: Readonly<Record<string, unknown>>): DesiredRow | undefined {
  const known = columnsOf(columns);
  if (typeof table !== "string" || typeof uuid !== "string" || typeof label !== "string") return undefined;
  return known && { table, uuid, label, columns: known };
}

/** The items of a list; undefined if it is not a list, or if `read` rejects an item. */
function listOf<T>(value: unknown, read: (item: Readonly<Record<string, unknown>>) => T | undefined): T[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const items = value.map((item: unknown) => (isObject(item) ? read(item) : undefined));
  const known = items.filter((item) => item !== undefined);
  return known.length === items.length ? known : undefined;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
