// SPDX-License-Identifier: Apache-2.0

import { formatVerdicts, type MeasuredGoal, ms } from "./html-page.ts";
import type { TopologyBench } from "./topology.ts";

const GOALS = { changeMs: 50, coldStartMs: 10_000 } as const;

/** A new node's own unit is compiled for the object, its addresses, its recorded address and its annotations; its chassis's once (see `one-more-node.test.ts`). */
const OWN_UNITS_OF_A_NODE = 5;

/** What was measured, beside what was wanted. */
function topologyVerdicts({ changes, coldStarts, rows, growth }: TopologyBench): readonly MeasuredGoal[] {
  const singles = changes.map(({ what, ms: { median, max } }) => ({
    what: `${what}, until committed`,
    measured: `median ${ms(median)}, slowest ${ms(max)}`,
    goal: `≤ ${ms(GOALS.changeMs)}`,
    met: median <= GOALS.changeMs,
  }));
  const slowest = Math.max(...coldStarts.map((start) => start.ms));
  const writes = coldStarts.reduce((sum, { transactions }) => sum + transactions, 0);
  const total = (of: Readonly<Record<string, number>>): number => Object.values(of).reduce((sum, n) => sum + n, 0);
  const factor = total(growth.doubled["all"] ?? {}) / total(growth.rows);
  const node = changes.find(({ what }) => what === "one more node");
  return [
    ...singles,
    {
      what: "cold start over a database that is right",
      measured: `${ms(slowest)}, ${writes} transactions, ${total(rows)} rows`,
      goal: `≤ ${ms(GOALS.coldStartMs)}, no transaction`,
      met: slowest <= GOALS.coldStartMs && writes === 0,
    },
    { what: "rows, all factors doubled", measured: `${factor.toFixed(2)} ×`, goal: "≤ 2 ×", met: factor <= 2 },
    {
      what: "units compiled for one more node",
      measured: String(node?.units),
      goal: `its own (${OWN_UNITS_OF_A_NODE})`,
      met: (node?.units ?? 0) <= OWN_UNITS_OF_A_NODE,
    },
  ];
}

/** The figures for a terminal. */
export function formatTopology(bench: TopologyBench): string {
  const { size, rows, changes, coldStarts, growth } = bench;
  const sizes = Object.entries(size).map(([name, count]) => `${count} ${name}`);
  const factors = Object.keys(growth.doubled);
  const tables = Object.keys(growth.rows).sort();
  const cells = (texts: readonly string[]): string => texts.map((text) => text.padStart(9)).join("");
  return [
    `${sizes.join(", ")}: ${Object.entries(rows)
      .map(([table, count]) => `${table} ${count}`)
      .join(", ")}`,
    "",
    `${"change".padEnd(38)}${cells(["median", "slowest", "txns", "ops", "units", "CPU", "northd", "ovn-ctl", "vswitchd"])}`,
    ...changes.map((change) => {
      const { transactions, operations, units } = change;
      const times = [change.controllerCpuMs, change.northdCpuMs, change.ovnControllerCpuMs, change.vswitchdCpuMs];
      const counts = [transactions, operations, units].map((count) => count.toFixed(1));
      return `${change.what.padEnd(38)}${cells([ms(change.ms.median), ms(change.ms.max), ...counts, ...times.map(ms)])}`;
    }),
    "CPU of the controller (with the API server in its process), of northd, and of ovn-controller and ovs-vswitchd of one node",
    ...coldStarts.map(
      ({ ms: time, transactions, units }) =>
        `cold start: ${ms(time)}, ${units} units compiled, ${transactions} transactions`,
    ),
    "",
    `rows where one factor is doubled (${Object.entries(growth.size)
      .map(([name, count]) => `${count} ${name}`)
      .join(", ")})`,
    `${"table".padEnd(28)}${cells(["now", ...factors])}`,
    ...tables.map(
      (table) =>
        `${table.padEnd(28)}${cells([growth.rows, ...factors.map((name) => growth.doubled[name] ?? {})].map((of) => String(of[table] ?? 0)))}`,
    ),
    "",
    formatVerdicts(topologyVerdicts(bench)),
  ].join("\n");
}
