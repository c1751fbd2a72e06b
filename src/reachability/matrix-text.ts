// SPDX-License-Identifier: Apache-2.0

import type { Matrix, MatrixCell } from "./matrix.ts";

/** Symbols of cells. */
export const SYMBOL: Readonly<Record<MatrixCell["reach"], string>> = { all: "●", some: "◐", none: "·", self: "-" };

/** The number of partly open cells that are listed below the table. */
const SHOWN = 40;

/** A matrix as a table of symbols, with details below it. */
export function formatMatrix(matrix: Matrix): string {
  const { rows, columns, cells, totals, absent, port } = matrix;
  if (rows.length === 0 || columns.length === 0)
    return `There are no pods with a port to compare.\n${absentText(absent)}`;
  const label = Math.max(...rows.map(({ name }, i) => `${i + 1} ${name}`.length));
  const width = String(columns.length).length;
  const same = rows.length === columns.length && rows.every(({ name }, i) => name === columns[i]?.name);
  const head = `${" ".repeat(label)}  ${columns.map((_, i) => String(i + 1).padStart(width)).join(" ")}`;
  const lines = rows.map(({ name }, i) => {
    const symbols = (cells[i] ?? []).map(({ reach }) => SYMBOL[reach].padStart(width)).join(" ");
    return `${`${i + 1} ${name}`.padEnd(label)}  ${symbols}`;
  });
  const parts = [`From the row to the column, ${port ?? "all ports and protocols"}:\n`, head, ...lines, ""];
  if (!same) parts.push("Columns:", ...columns.map(({ name }, i) => `  ${i + 1} ${name}`), "");
  parts.push(...partly(matrix), summary(totals, port));
  return `${parts.join("\n")}\n${absentText(absent)}`;
}

function partly({ rows, columns, cells }: Matrix): readonly string[] {
  const lines = cells.flatMap((row, i) =>
    row.flatMap(({ reach, open }, j) =>
      reach === "some" ? [`  ${rows[i]?.name} → ${columns[j]?.name}: ${open}`] : [],
    ),
  );
  if (lines.length === 0) return [];
  const rest = lines.length - SHOWN;
  return [
    `${SYMBOL.some} open in part:`,
    ...lines.slice(0, SHOWN),
    ...(rest > 0 ? [`  and ${rest} more (-o json has all)`] : []),
    "",
  ];
}

function summary({ pairs, all, some, none }: Matrix["totals"], port: string | undefined): string {
  if (port !== undefined) return `${pairs} pairs of pods: ${all} ${SYMBOL.all} open, ${none} ${SYMBOL.none} closed.`;
  return `${pairs} pairs of pods: ${all} ${SYMBOL.all} open, ${some} ${SYMBOL.some} open in part, ${none} ${SYMBOL.none} closed.`;
}

function absentText(absent: readonly string[]): string {
  if (absent.length === 0) return "";
  const shown = absent.slice(0, 8).join(", ");
  const rest = absent.length > 8 ? ` and ${absent.length - 8} more` : "";
  return `Without a port yet, and so not in it: ${shown}${rest}.\n`;
}
