// SPDX-License-Identifier: Apache-2.0

import { MEASURES } from "../measure/measures.ts";
import { chart } from "./chart.ts";
import { escaped } from "./escape.ts";
import type { ReportFormat } from "./format.ts";
import type { LoadResult, RepeatResult, TaskResult, TaskRunResult } from "./result.ts";
import { atLoad, type Cell, columnName, shownEstimate, stallText, tableOf } from "./table.ts";

const STYLE = `body{font:14px/1.5 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0}th,td{border:1px solid #ccc;padding:.3em .6em;text-align:left;vertical-align:top}
.passed{background:#e5f5e5}.failed{background:#fbe3e0}.broken{background:#fff0cc}.none{color:#999}
small{color:#666}svg{display:block;margin:.5em 0 1.5em}h2{margin-top:2em}`;

/** The measures of a cell of the overview. */
const IN_CELL = ["failures", "longest_gap", "recovery", "first_success", "first_ready", "relative_degradation"];

/** A self-contained file: the table of scenarios × faults, and for each run its measures over time with the faults' spans shaded. */
export const HTML_REPORT: ReportFormat = {
  name: "html",
  summary: "self-contained: a table of scenarios × faults, and each measure over time",
  extension: "html",
  render: (result) => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escaped(result.title)}</title><style>${STYLE}</style></head><body>
<h1>${escaped(result.title)}</h1>
<p class="${result.outcome === "interrupted" ? "broken" : result.outcome}">${result.outcome} · target ${escaped(result.target)} · ${escaped(result.started)} · ${result.seconds.toFixed(0)} s · seed ${result.seed}</p>
${overview(result)}
<p>In the charts, by seconds: blue is the mean and grey the longest duration of iterations (logarithmic), red how many failed, yellow the time of the fault.</p>
${legend()}
${result.runs.map(runSection).join("\n")}
</body></html>
`,
};

function overview(result: TaskResult): string {
  const { columns, rows } = tableOf(result);
  const head = columns.map((name) => `<th>${escaped(name)}</th>`).join("");
  const body = rows
    .map(({ load, cells }) => `<tr><th>${escaped(load)}</th>${cells.map(cellText).join("")}</tr>`)
    .join("\n");
  return `<h2>Scenarios × faults</h2><table><tr><th></th>${head}</tr>\n${body}</table>`;
}

function cellText({ outcome, measures }: Cell): string {
  const lines = IN_CELL.flatMap((name) => {
    const of = measures[name];
    return of === undefined ? [] : [`${name} ${escaped(shownEstimate(of))} ${unitOf(name)}`];
  });
  return `<td class="${outcome}">${outcome === "none" ? "not run" : outcome}<br><small>${lines.join("<br>")}</small></td>`;
}

function unitOf(name: string): string {
  return MEASURES.find((one) => one.name === name)?.unit ?? "";
}

function legend(): string {
  const items = MEASURES.map(
    ({ name, unit, meaning }) => `<li><b>${name}</b>${unit === "" ? "" : ` (${unit})`}: ${escaped(meaning)}</li>`,
  );
  return `<details><summary>Measures</summary><ul>${items.join("")}</ul><p>Ranges in parentheses are 95 % confidence intervals over the repeats.</p></details>`;
}

function runSection(run: TaskRunResult): string {
  const repeats = run.repeats.map((repeat, n) => repeatSection(run, repeat, n));
  return `<h2>${escaped(run.name)}</h2><p>${escaped(columnName(run))}</p>${repeats.join("\n")}`;
}

function repeatSection(run: TaskRunResult, repeat: RepeatResult, n: number): string {
  const title = `<h3>Repeat ${n + 1} of ${run.repeats.length}: ${repeat.outcome}${atLoad(repeat)}</h3>`;
  const problems = repeat.problems.map(
    ({ code, text }) => `<p class="broken"><b>${escaped(code)}</b> ${escaped(text)}</p>`,
  );
  const faults = repeat.faults.map(
    ({ name, hit, begun, ended }) =>
      `<li>${escaped(name)}: ${escaped(hit)}, from ${(begun / 1000).toFixed(1)} to ${(ended / 1000).toFixed(1)} s</li>`,
  );
  const stalls = repeat.stalls.map((stall) => `<li>${escaped(stallText(stall))}</li>`);
  const verdicts = repeat.verdicts.map(verdictText);
  return `${title}${problems.join("")}<ul>${faults.join("")}${stalls.join("")}</ul>${repeat.loads.map((load) => loadSection(load, repeat)).join("\n")}<ul>${verdicts.join("")}</ul>`;
}

function loadSection(load: LoadResult, repeat: RepeatResult): string {
  const figures = MEASURES.flatMap(({ name, unit }) => {
    const value = load.measures[name];
    return value === undefined ? [] : [`<tr><td>${name}</td><td>${value.toFixed(3)} ${unit}</td></tr>`];
  });
  const actions = Object.entries(load.actions).map(
    ([name, of]) =>
      `<tr><td>${escaped(name)}</td><td>${of.count}, ${of.failed} failed, mean ${of.meanMs.toFixed(1)} ms, longest ${of.maxMs.toFixed(1)} ms</td></tr>`,
  );
  const errors = load.errors.map(({ text, count }) => `<li>${count} × ${escaped(text)}</li>`);
  const skipped = load.skipped === 0 ? "" : `, ${load.skipped} skipped`;
  return `<h4>${escaped(load.name)}: ${load.iterations} iterations, ${load.failed} failed${skipped}</h4>
${chart(load.series, repeat.faults)}
<ul>${load.slas.map(verdictText).join("")}</ul>
<details><summary>Figures</summary><table>${figures.join("")}${actions.join("")}</table><ul>${errors.join("")}</ul></details>`;
}

function verdictText({ name, outcome, text }: RepeatResult["verdicts"][number]): string {
  const style = outcome === "unmeasurable" ? "broken" : outcome;
  return `<li><span class="${style}">${escaped(outcome)}</span> ${escaped(name)}: ${escaped(text)}</li>`;
}
