// SPDX-License-Identifier: Apache-2.0

/** Pages of figures: no script, no file besides them. */

/** Milliseconds as text. */
export const ms = (value: number): string => `${value.toFixed(value < 100 ? 1 : 0)} ms`;

/** One goal of an issue and what was measured. */
export interface MeasuredGoal {
  readonly what: string;
  readonly measured: string;
  readonly goal: string;
  readonly met: boolean;
}

/** The verdicts for a terminal. */
export function formatVerdicts(verdicts: readonly MeasuredGoal[]): string {
  const lines = verdicts.map(
    ({ what, measured, goal, met }) => `${met ? "✓" : "✗"} ${what}: ${measured}; goal ${goal}`,
  );
  return `${lines.join("\n")}\n`;
}

/** A page: what was measured beside what was wanted, then `body`, which is HTML. */
export function htmlPage(title: string, intro: string, verdicts: readonly MeasuredGoal[], body: string): string {
  const rows = verdicts
    .map(
      ({ what, measured, goal, met }) =>
        `<tr class="${met ? "met" : "missed"}"><td>${what}</td><td>${measured}</td><td>${goal}</td></tr>`,
    )
    .join("\n");
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Weft: ${title}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .3rem .8rem; border-bottom: 1px solid #ddd; text-align: left }
.met td:first-child::before { content: "✓ "; color: #080 } .missed td:first-child::before { content: "✗ "; color: #b00 }
svg { width: 100%; height: auto } text { font: 12px system-ui, sans-serif; fill: #333 }
</style>
<h1>${title}</h1>
<p>${intro}</p>
<table><tr><th>What</th><th>Measured</th><th>Goal</th></tr>
${rows}
</table>
${body}
`;
}

/** Each measurement as a dot on a line of its series. */
export function dots(
  series: readonly { readonly name: string; readonly values: readonly number[]; readonly colour: string }[],
): string {
  const most = Math.max(1, ...series.flatMap(({ values }) => values)) * 1.05;
  const x = (value: number): number => 80 + (value / most) * 700;
  const lines = series.map(({ name, values, colour }, index) => {
    const y = 30 + index * 40;
    const marks = values.map(
      (value) => `<circle cx="${x(value).toFixed(1)}" cy="${y}" r="5" fill="${colour}" fill-opacity=".6"/>`,
    );
    return `<text x="8" y="${y + 4}">${name}</text><line x1="80" x2="780" y1="${y}" y2="${y}" stroke="#eee"/>${marks.join("")}`;
  });
  return figure(series.length * 40 + 40, lines.join(""), most, x);
}

/** A bar for each part; the 99th percentile in grey behind the median. */
export function bars(
  parts: readonly { readonly name: string; readonly median: number; readonly p99: number }[],
): string {
  const most = Math.max(1, ...parts.map(({ p99 }) => p99)) * 1.05;
  const x = (value: number): number => 160 + (value / most) * 620;
  const lines = parts.map(({ name, median, p99 }, index) => {
    const y = 12 + index * 28;
    const bar = (value: number, colour: string): string =>
      `<rect x="160" y="${y}" width="${(x(value) - 160).toFixed(1)}" height="16" fill="${colour}"/>`;
    return `<text x="8" y="${y + 13}">${name}</text>${bar(p99, "#d1d5db")}${bar(median, "#2563eb")}<text x="${(x(median) + 6).toFixed(1)}" y="${y + 13}">${ms(median)}</text>`;
  });
  return figure(parts.length * 28 + 40, lines.join(""), most, x);
}

function figure(height: number, body: string, most: number, x: (value: number) => number): string {
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const value = part * most;
    return `<text x="${x(value).toFixed(1)}" y="${height - 6}" text-anchor="middle">${ms(value)}</text>`;
  });
  return `<svg viewBox="0 0 800 ${height}" role="img">${body}${ticks.join("")}</svg>`;
}

/** One line for each series: how many had happened after so many ms. */
export function curves(
  series: readonly { readonly name: string; readonly at: readonly number[]; readonly colour: string }[],
): string {
  const longest = Math.max(1, ...series.map(({ at }) => at.at(-1) ?? 0)) * 1.05;
  const highest = Math.max(1, ...series.map(({ at }) => at.length));
  const x = (value: number): number => 80 + (value / longest) * 700;
  const y = (count: number): number => 250 - (count / highest) * 230;
  const lines = series.map(({ name, at, colour }, index) => {
    const step = Math.max(1, Math.floor(at.length / 200));
    const points = at.flatMap((value, i) =>
      i % step === 0 || i === at.length - 1 ? [`${x(value).toFixed(1)},${y(i + 1).toFixed(1)}`] : [],
    );
    const key = `<text x="90" y="${24 + index * 16}" style="fill:${colour}">${name}</text>`;
    return `<polyline points="${x(0)},${y(0)} ${points.join(" ")}" fill="none" stroke="${colour}" stroke-width="2"/>${key}`;
  });
  const scale = `<text x="8" y="${y(highest) + 4}">${highest}</text><text x="8" y="${y(0)}">0</text>`;
  return figure(280, lines.join("") + scale, longest, x);
}
