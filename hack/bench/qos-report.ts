// SPDX-License-Identifier: Apache-2.0

import { formatVerdicts, htmlPage, type Verdict } from "./page.ts";
import type { QosBench, QosFigure } from "./qos.ts";

/** How far from the rate an average may be: 10 % at 1 Mbit/s, else 5 %. */
function tolerance(asked: number): number {
  return asked <= 1 ? 0.1 : 0.05;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Jain's index of fairness (Jain, Chiu, Hawe 1984): 1 where all are equal. */
export function jain(values: readonly number[]): number {
  const sum = values.reduce((all, value) => all + value, 0);
  return sum ** 2 / (values.length * values.reduce((all, value) => all + value ** 2, 0));
}

/** What the machine lets through on the same path without a limit, Mbit/s: ten pods share that. */
function ceiling(bench: QosBench, { direction, protocol, where, got }: QosFigure): number {
  const alike = bench.unlimited.find(
    (one) => one.direction === direction && one.protocol === protocol && one.where === where,
  );
  return mean(alike?.got ?? [Number.NaN]) / got.length;
}

/** The goals, and what was measured. What the machine cannot send even without a limit is no verdict about the limit. */
export function qosVerdicts(bench: QosBench): readonly Verdict[] {
  const verdicts: Verdict[] = [];
  for (const figure of bench.figures) {
    const { asked, direction, protocol, where, got } = figure;
    const what = `${asked} Mbit/s ${direction}, ${protocol}, ${where}, ${got.length === 1 ? "one pod" : `${got.length} pods`}`;
    const least = ceiling(bench, figure) * 0.8;
    if (asked > least) {
      verdicts.push({
        what,
        measured: `${mean(got).toFixed(2)} Mbit/s, but the machine has ${least.toFixed(0)}`,
        goal: "no more",
        met: mean(got) <= asked * 1.05,
      });
      continue;
    }
    const off = mean(got) / asked - 1;
    const allowed = tolerance(asked);
    verdicts.push({
      what,
      measured: `${mean(got).toFixed(2)} Mbit/s (${(off * 100).toFixed(1)} %)`,
      goal: `± ${allowed * 100} %`,
      met: Math.abs(off) <= allowed,
    });
    if (got.length > 1) {
      const index = jain(got);
      verdicts.push({ what: `${what}: Jain's index`, measured: index.toFixed(4), goal: "≥ 0.98", met: index >= 0.98 });
    }
  }
  const share = bench.beside.together / bench.beside.alone;
  verdicts.push({
    what: "TCP of a pod without limits beside ten with",
    measured: `${share.toFixed(2)} × alone`,
    goal: "≥ 0.95 ×",
    met: share >= 0.95,
  });
  const slowest = Math.max(...bench.changeMs);
  verdicts.push({
    what: "a changed rate is active (slowest)",
    measured: `${slowest.toFixed(0)} ms`,
    goal: "≤ 100 ms",
    met: slowest <= 100,
  });
  return verdicts;
}

/** The figures for a terminal. */
export function formatQos(bench: QosBench): string {
  return `${formatVerdicts(qosVerdicts(bench))}${JSON.stringify(bench.load)}\n`;
}

/** The page: what was asked beside what arrived, each pod a dot. */
export function qosPage(bench: QosBench): string {
  const shown = bench.figures.map((figure, index) => {
    const { asked, direction, protocol, where, got } = figure;
    const y = 20 + index * 22;
    const x = (share: number): number => 330 + Math.min(share, 1.5) * 300;
    const dots = got.map(
      (value) => `<circle cx="${x(value / asked).toFixed(1)}" cy="${y}" r="4" fill="#2563eb" fill-opacity=".5"/>`,
    );
    const text = `${asked} Mbit/s ${direction}, ${protocol}, ${where} (${got.length})`;
    return `<text x="8" y="${y + 4}">${text}</text><line x1="330" x2="780" y1="${y}" y2="${y}" stroke="#eee"/>${dots.join("")}`;
  });
  const height = bench.figures.length * 22 + 40;
  const line = `<line x1="630" x2="630" y1="10" y2="${height - 30}" stroke="#b00"/><text x="600" y="${height - 10}">as asked</text>`;
  const picture = `<svg viewBox="0 0 800 ${height}" role="img">${shown.join("")}${line}</svg>`;
  return htmlPage("limits of pods", `Asked and got, ${bench.at}. Each dot is a pod.`, qosVerdicts(bench), picture);
}
