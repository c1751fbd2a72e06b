// SPDX-License-Identifier: Apache-2.0

import type { ColumnValue, Fragment } from "../desired/fragment.ts";
import type { Plan } from "./transaction-plan.ts";

/** Gives a row's uuid a human-readable name; uuids without one are printed as they are. */
export type NameRow = (uuid: string) => string | undefined;

/**
 * A plan as text, for `weft-controller plan` and golden files: `+` a row or member that comes, `-`
 * one that goes, `~` one that changes. Sorted, so that equal plans are equal texts.
 */
export function formatPlan(plan: Plan, nameRow: NameRow): string {
  const name = (uuid: string): string => nameRow(uuid) ?? uuid;
  const blocks: string[] = [];
  for (const row of plan.inserts) {
    blocks.push(block(`+ ${row.table} ${row.label}`, columnLines(row.columns, name)));
  }
  for (const { row, columns, before } of plan.updates) {
    const lines = Object.keys(columns)
      .sort()
      .map((column) => `    ${column}: ${formatValue(before[column], name)} -> ${formatValue(columns[column], name)}`);
    blocks.push(block(`~ ${row.table} ${row.label}`, lines));
  }
  for (const mutation of plan.mutations) {
    const lines = [
      ...mutation.insert.map((member) => `    + ${name(member)}`).sort(),
      ...mutation.delete.map((member) => `    - ${name(member)}`).sort(),
    ];
    blocks.push(block(`~ ${name(mutation.row)} ${mutation.column}`, lines));
  }
  for (const { table, uuid } of plan.deletes) blocks.push(`- ${nameRow(uuid) ?? `${table} ${uuid}`}\n`);
  return blocks.sort().join("");
}

/** A fragment as text, for golden files: its rows, edges and effects, references by name where the fragment names them. */
export function formatFragment(fragment: Fragment, nameRow: NameRow = () => undefined): string {
  const labels = new Map(fragment.rows.map((row) => [row.uuid, `${row.table} ${row.label}`]));
  const name = (uuid: string): string => labels.get(uuid) ?? nameRow(uuid) ?? uuid;
  const rows = fragment.rows.map((row) => block(`${row.table} ${row.label}`, columnLines(row.columns, name)));
  const edges = fragment.edges.map((edge) => `${name(edge.row)} ${edge.column} += ${name(edge.member)}\n`);
  const effects = fragment.effects.map((effect) => {
    const { key, ...rest } = effect;
    return `effect ${key} ${JSON.stringify(rest)}\n`;
  });
  return [...rows.sort(), ...edges.sort(), ...effects.sort()].join("");
}

function block(head: string, lines: readonly string[]): string {
  return `${[head, ...lines].join("\n")}\n`;
}

function columnLines(columns: Readonly<Record<string, ColumnValue>>, name: (uuid: string) => string): string[] {
  return Object.keys(columns)
    .sort()
    .filter((column) => columns[column] !== undefined)
    .map((column) => `    ${column}: ${formatValue(columns[column], name)}`);
}

function formatValue(value: ColumnValue, name: (uuid: string) => string): string {
  if (value === undefined) return "(none)";
  if (typeof value === "string") return JSON.stringify(name(value));
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return `[${value.map((item) => formatValue(item, name)).join(", ")}]`;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${key}=${item}`).join(", ")}}`;
}
