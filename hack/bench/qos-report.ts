// SPDX-License-Identifier: Apache-2.0

import { formatVerdicts, htmlPage, type MeasuredGoal } from "./html-page.ts";
import type { QosBench, QosFigure } from "./qos.ts";
import { qosPicture, tolerance } from "./qos-chart.ts";
import { showLimit } from "./qos-plan.ts";
import { quantile } from "./statistics.ts";

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
export function qosVerdicts(bench: QosBench): readonly MeasuredGoal[] {
  const verdicts: MeasuredGoal[] = [];
  for (const figure of bench.figures) {
    const { asked, burst, direction, protocol, where, got } = figure;
    const what = `${showLimit(asked, burst)} ${direction}, ${protocol}, ${where}, ${got.length === 1 ? "one pod" : `${got.length} pods`}`;
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
  const { limited, unlimited, idle } = bench.beside;
  const shares = limited.map((value, turn) => value / (unlimited[turn] ?? Number.NaN));
  const share = quantile(shares, 0.5);
  verdicts.push({
    what: "TCP of a pod without limits beside datagrams to ten pods with limits",
    measured: `${share.toFixed(2)} × beside the same to ten without (quartiles of ${shares.length} turns ${quantile(shares, 0.25).toFixed(2)} to ${quantile(shares, 0.75).toFixed(2)}; ${mean(limited).toFixed(0)} and ${mean(unlimited).toFixed(0)} Mbit/s; ${(idle * 100).toFixed(0)} % of the processors idle)`,
    goal: "≥ 0.95 ×",
    met: share >= 0.95,
  });
  for (const [how, values] of Object.entries(bench.changes) as readonly (readonly [string, readonly number[]])[]) {
    const slowest = Math.max(...values);
    verdicts.push({
      what: `a rate that is ${how} is active, ${values.length} times`,
      measured: `median ${quantile(values, 0.5).toFixed(0)} ms, slowest ${slowest.toFixed(0)} ms`,
      goal: "≤ 100 ms",
      met: slowest <= 100,
    });
  }
  return verdicts;
}

/** The figures for a terminal. */
export function formatQos(bench: QosBench): string {
  return `${formatVerdicts(qosVerdicts(bench))}${JSON.stringify(bench.load)}\nin ${bench.took.toFixed(0)} s\n`;
}

/** The page: what was asked for beside what arrived. */
export function qosPage(bench: QosBench): string {
  const intro = `Asked for and got, ${bench.at}, in ${bench.took.toFixed(0)} s. Each dot is a pod.`;
  return htmlPage("limits of pods", intro, qosVerdicts(bench), qosPicture(bench));
}
