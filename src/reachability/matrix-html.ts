// SPDX-License-Identifier: Apache-2.0

import type { Matrix, MatrixCell, MatrixGroup } from "./matrix.ts";
import { SYMBOL } from "./matrix-text.ts";

/**
 * A matrix as one self-contained page: no script, no font, no image. Hovering over a cell shows what is open and why
 * not all.
 */
export function matrixHtml(matrix: Matrix, title: string): string {
  const { rows, columns, cells, totals, absent, port } = matrix;
  const head = columns.map(
    (column, i) =>
      `<th scope="col" title="${escapeHtml(members(column))}"><span>${i + 1} ${escapeHtml(column.name)}</span></th>`,
  );
  const body = rows.map((row, i) => {
    const own = cells[i] ?? [];
    const text = own.map((cell, j) => cellHtml(cell, row.name, columns[j]?.name ?? "")).join("");
    return `<tr><th scope="row" title="${escapeHtml(members(row))}">${i + 1} ${escapeHtml(row.name)}</th>${text}</tr>`;
  });
  const { pairs, all, some, none } = totals;
  const missing =
    absent.length === 0 ? "" : `<p>Without a port yet, and so not in it: ${escapeHtml(absent.join(", "))}.</p>`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
<h1>${escapeHtml(title)}</h1>
<p>From the row to the column, ${escapeHtml(port ?? "all ports and protocols")}. ${pairs} pairs of pods:
<b class="all">${SYMBOL.all} ${all} open</b>, <b class="some">${SYMBOL.some} ${some} open in part</b>, <b class="none">${SYMBOL.none} ${none} closed</b>.
Point at a cell to see why, and at a name to see its pods.</p>
<div><table>
<thead><tr><th></th>${head.join("")}</tr></thead>
<tbody>
${body.join("\n")}
</tbody>
</table></div>
${missing}
</html>
`;
}

function cellHtml({ reach, open, why }: MatrixCell, from: string, to: string): string {
  const text = reach === "self" ? "the pod itself" : `${from} → ${to}: ${open}${why === undefined ? "" : `\n${why}`}`;
  return `<td class="${reach}" title="${escapeHtml(text)}">${SYMBOL[reach]}</td>`;
}

/** The number of names in a title. */
const SHOWN = 30;

function members({ pods }: MatrixGroup): string {
  const rest = pods.length - SHOWN;
  return pods.slice(0, SHOWN).join("\n") + (rest > 0 ? `\nand ${rest} more` : "");
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

const STYLE = `
:root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif; }
body { margin: 1.5rem; }
h1 { font-size: 1.3rem; }
div { overflow: auto; max-height: 80vh; }
table { border-collapse: separate; border-spacing: 1px; }
th { font-weight: 500; text-align: left; white-space: nowrap; background: Canvas; padding: 2px 6px; }
thead th { position: sticky; top: 0; z-index: 1; vertical-align: bottom; }
thead th span { writing-mode: vertical-rl; transform: rotate(180deg); }
tbody th { position: sticky; left: 0; }
td { text-align: center; min-width: 1.6em; height: 1.6em; cursor: default; }
td.all { background: #2e7d3233; } .all { color: #2e7d32; }
td.some { background: #b2660033; } .some { color: #b26600; }
td.none { background: #c6282833; } .none { color: #c62828; }
td.self { opacity: .4; }
@media (prefers-color-scheme: dark) { .all { color: #81c784; } .some { color: #ffb74d; } .none { color: #ef9a9a; } }
td:hover { outline: 2px solid; }
`;
