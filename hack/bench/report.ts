import { type CniBench, GOALS } from "./cni.ts";
import type { Spread } from "./statistics.ts";

const ms = (value: number): string => `${value.toFixed(value < 100 ? 1 : 0)} ms`;

/** One goal of the issue and what was measured. */
interface Verdict {
  readonly what: string;
  readonly measured: string;
  readonly goal: string;
  readonly met: boolean;
}

/** What was measured, beside what was wanted. */
export function verdicts(bench: CniBench): readonly Verdict[] {
  const above = bench.single.weft.median - bench.single.floor.median;
  const ratio = bench.burst.weft.max / bench.burst.floor.max;
  const daemon = Math.max(...bench.memory.daemon);
  return [
    {
      what: "a single pod, create → Ready, above the floor",
      measured: `${ms(above)} (${ms(bench.single.weft.median)} against ${ms(bench.single.floor.median)})`,
      goal: `≤ ${GOALS.singleAboveFloorMs} ms`,
      met: above <= GOALS.singleAboveFloorMs,
    },
    {
      what: `${bench.burst.pods} pods at once, until the last is Ready`,
      measured: `${ratio.toFixed(2)} × the floor (${ms(bench.burst.weft.max)} against ${ms(bench.burst.floor.max)})`,
      goal: `≤ ${GOALS.burstRatio} ×`,
      met: ratio <= GOALS.burstRatio,
    },
    {
      what: "one ADD, median",
      measured: ms(bench.add.median),
      goal: `≤ ${GOALS.addMs} ms`,
      met: bench.add.median <= GOALS.addMs,
    },
    {
      what: "daemon's resident memory",
      measured: `${daemon.toFixed(0)} MiB`,
      goal: `≤ ${GOALS.daemonMiB} MiB`,
      met: daemon <= GOALS.daemonMiB,
    },
    {
      what: `controller's resident memory with ${bench.memory.pods} pods`,
      measured: `${bench.memory.controller.toFixed(0)} MiB`,
      goal: `≤ ${GOALS.controllerMiB} MiB`,
      met: bench.memory.controller <= GOALS.controllerMiB,
    },
  ];
}

/** The figures for a terminal. */
export function formatReport(bench: CniBench): string {
  const spreads: [string, Spread][] = [
    ["single pod, Weft", bench.single.weft],
    ["single pod, floor", bench.single.floor],
    [`${bench.burst.pods} pods at once, Weft`, bench.burst.weft],
    [`${bench.burst.pods} pods at once, floor`, bench.burst.floor],
    ["ADD", bench.add],
    ["ADD among many", bench.addInBurst],
    ...Object.entries(bench.parts).map(([name, value]): [string, Spread] => [`  ADD: ${name}`, value]),
    ["shim's wall time (STATUS)", bench.shim],
  ];
  const width = Math.max(...spreads.map(([name]) => name.length));
  const figures = spreads.map(([name, { count, min, median, p99, max }]) =>
    [
      name.padEnd(width),
      String(count).padStart(4),
      ...[min, median, p99, max].map((value) => ms(value).padStart(10)),
    ].join(" "),
  );
  const goals = verdicts(bench).map(
    ({ what, measured, goal, met }) => `${met ? "✓" : "✗"} ${what}: ${measured}; goal ${goal}`,
  );
  const head = `${" ".repeat(width)}    n        min     median        p99        max`;
  return `${[head, ...figures].join("\n")}\n\n${goals.join("\n")}\n`;
}

/** The figures as a page of its own: no script, no file besides it. */
export function htmlReport(bench: CniBench): string {
  const rows = verdicts(bench)
    .map(
      ({ what, measured, goal, met }) =>
        `<tr class="${met ? "met" : "missed"}"><td>${what}</td><td>${measured}</td><td>${goal}</td></tr>`,
    )
    .join("\n");
  const parts = Object.entries(bench.parts).map(([name, { median, p99 }]) => ({ name, median, p99 }));
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Weft: a pod's way to its network</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .3rem .8rem; border-bottom: 1px solid #ddd; text-align: left }
.met td:first-child::before { content: "✓ "; color: #080 } .missed td:first-child::before { content: "✗ "; color: #b00 }
svg { width: 100%; height: auto } text { font: 12px system-ui, sans-serif; fill: #333 }
</style>
<h1>A pod's way to its network</h1>
<p>${bench.at}. The floor is Debian's <code>bridge</code> and <code>host-local</code> plugins with the same kubelet and containerd, in the same run.</p>
<table><tr><th>What</th><th>Measured</th><th>Goal</th></tr>
${rows}
</table>
<h2>Create → Ready, single pods</h2>
${dots([
  { name: "Weft", values: bench.samples.single.weft, colour: "#2563eb" },
  { name: "floor", values: bench.samples.single.floor, colour: "#9ca3af" },
])}
<h2>One ADD, as the daemon saw it</h2>
${dots([{ name: "ADD", values: bench.samples.adds.map((add) => add.ms), colour: "#2563eb" }])}
<h2>Its parts: median, and 99th percentile in grey</h2>
${bars(parts)}
</html>
`;
}

/** Each measurement as a dot on a line of its series. */
function dots(
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

/** A bar for each part. */
function bars(parts: readonly { readonly name: string; readonly median: number; readonly p99: number }[]): string {
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
