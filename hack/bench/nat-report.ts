// SPDX-License-Identifier: Apache-2.0

import { ms } from "./html-page.ts";
import type { NatBench, NatPathFigures } from "./nat.ts";
import type { RuleFigures } from "./nat-rules.ts";

function line(what: string, cells: readonly string[], width = 10): string {
  return `${what.padEnd(36)}${cells.map((cell) => cell.padStart(width)).join("")}`;
}

function rulesText({ fips, dnats, seconds, before, after, changes }: RuleFigures): readonly string[] {
  const tables = Object.keys(after).filter((table) => after[table] !== before[table]);
  return [
    `${fips} OvnFips and ${dnats} OvnDnatRules in one VPC, applied in ${seconds.toFixed(1)} s; rows before and after: ${tables
      .map((table) => `${table} ${before[table] ?? 0} → ${after[table]}`)
      .join(", ")}`,
    line("change, until committed", ["median", "slowest", "txns", "ops", "units", "CPU", "northd"]),
    ...changes.map(({ what, ms: time, transactions, operations, units, controllerCpuMs, northdCpuMs }) =>
      line(what, [
        ...[ms(time.median), ms(time.max)],
        ...[transactions, operations, units].map((count) => count.toFixed(1)),
        ...[ms(controllerCpuMs), ms(northdCpuMs)],
      ]),
    ),
    "CPU of the controller (with the API server in its process), and of northd",
  ];
}

function pathText({ what, raw, perSecond, p50, p99, cpuUs, ratio, failed }: NatPathFigures): string {
  const share =
    raw === undefined ? "" : `× ${ratio.median.toFixed(2)} (${ratio.low.toFixed(2)}–${ratio.high.toFixed(2)})`;
  return line(
    what,
    [perSecond.toFixed(0), share, p50.toFixed(2), p99.toFixed(2), cpuUs.toFixed(0), String(failed)],
    20,
  );
}

/** The figures for a terminal. */
export function formatNat({ rules, traffic }: NatBench): string {
  const texts: string[] = [];
  if (traffic !== undefined) {
    const { foreign, cpus, loadAverage } = traffic.load;
    texts.push(
      `new connections, medians of ${traffic.turns} turns, × raw in the same turn (quartiles)`,
      `other work on the machine: ${(foreign * 100).toFixed(0)} % of ${cpus} CPUs (load average ${loadAverage.toFixed(1)})`,
      line("path", ["per second", "× raw", "p50 ms", "p99 ms", "vswitchd CPU µs", "failed"], 20),
      ...traffic.paths.map(pathText),
      "",
    );
  }
  if (rules !== undefined) texts.push(...rulesText(rules));
  return texts.join("\n");
}
