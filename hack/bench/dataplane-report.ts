// SPDX-License-Identifier: Apache-2.0

import type { DataplaneBench, PathFigures, QUANTITIES } from "./dataplane.ts";
import { formatVerdicts, type MeasuredGoal } from "./html-page.ts";

type QuantityName = (typeof QUANTITIES)[number];

/** Shares of the raw path that are wanted, with nothing of Services and policies in use. */
const GOALS = {
  onNode: { pps: 0.5, tcp: 0.95, connections: 0.6 },
  across: { pps: 0.8, tcp: 0.95, connections: 0.6 },
} as const;

/** What was measured, beside what was wanted. */
export function dataplaneVerdicts({ paths }: DataplaneBench): readonly MeasuredGoal[] {
  const find = (what: string): PathFigures | undefined => paths.find((path) => path.what === what);
  const verdicts: MeasuredGoal[] = [];
  const share = (what: string, name: string, of: QuantityName, goal: number): void => {
    const path = find(what);
    if (path === undefined) return;
    const { low, median, high } = path.quantities[of].ratio;
    // Not measured.
    if (Number.isNaN(median)) return;
    verdicts.push({
      what: `${what}: ${name}`,
      measured: `${median.toFixed(2)} × raw (quartiles ${low.toFixed(2)} to ${high.toFixed(2)})`,
      goal: `≥ ${goal} ×`,
      met: median >= goal,
    });
  };
  for (const [what, goal] of [
    ["pod to pod, on a node", GOALS.onNode],
    ["pod to pod, across nodes", GOALS.across],
  ] as const) {
    share(what, "UDP packets/s of 64 bytes", "pps64", goal.pps);
    share(what, "TCP", "tcp", goal.tcp);
    share(what, "new connections/s", "perSecond", goal.connections);
  }
  const [plain, both] = [find("pod to pod, on a node"), find("the same under a NetworkPolicy")];
  if (plain !== undefined && both !== undefined) {
    const measured = both.quantities.pps64.ratio.median / plain.quantities.pps64.ratio.median;
    verdicts.push({
      what: "with a Service and a policy: UDP packets/s of 64 bytes",
      measured: `${measured.toFixed(2)} × without`,
      goal: "≥ 0.8 ×",
      met: measured >= 0.8,
    });
  }
  return [...verdicts, ...beside(find)];
}

/** How often Kube-OVN's packets a node should forward between two of its pods. */
const TIMES_KUBE_OVN = 1.5;

/** Beside Kube-OVN's rows; and how far bare OVN gets, which has no rows that could cost more. */
function beside(find: (what: string) => PathFigures | undefined): readonly MeasuredGoal[] {
  const [own, theirs] = [find("pod to pod, on a node"), find("Kube-OVN's rows, on a node")];
  if (own === undefined || theirs === undefined) return [];
  // Theirs is × ours.
  const { low, median, high } = theirs.quantities.pps64.ratio;
  const bare = find("bare OVN, on a node")?.quantities.pps64.ratio.median ?? Number.NaN;
  const floor = bare / (own.quantities.pps64.ratio.median * median);
  const times = [1 / median, 1 / high, 1 / low].map((value) => value.toFixed(2));
  return [
    {
      what: "pod to pod, on a node: UDP packets/s of 64 bytes",
      measured: `${times[0]} × Kube-OVN's rows (quartiles ${times[1]} to ${times[2]}; bare OVN ${floor.toFixed(2)} ×)`,
      goal: `≥ ${TIMES_KUBE_OVN} ×`,
      met: 1 / median >= TIMES_KUBE_OVN,
    },
  ];
}

/** The columns of the table, and how a value is written. */
const COLUMNS: readonly (readonly [head: string, quantity: QuantityName, text: (value: number) => string])[] = [
  ["64 B/s", "pps64", (value) => value.toFixed(0)],
  ["µs each", "cpuUs", (value) => value.toFixed(1)],
  ["1300 B/s", "pps1300", (value) => value.toFixed(0)],
  ["TCP Gbit/s", "tcp", (value) => (value / 1e9).toFixed(2)],
  ["conn/s", "perSecond", (value) => value.toFixed(0)],
  ["p50 ms", "p50", (value) => value.toFixed(2)],
  ["p99 ms", "p99", (value) => value.toFixed(2)],
];

/** The figures for a terminal: medians, and behind them the median of the turns' ratios and their quartiles. */
export function formatDataplane(bench: DataplaneBench): string {
  const line = (what: string, cells: readonly string[]): string =>
    `${what.padEnd(31)}${cells.map((cell) => cell.padStart(28)).join("")}`;
  const rows = bench.paths.map(({ what, raw, quantities, failed }) => {
    const cells = COLUMNS.map(([, name, text]) => {
      const { median, ratio } = quantities[name];
      if (raw === undefined) return text(median);
      const [low, middle, high] = [ratio.low, ratio.median, ratio.high].map((value) => value.toFixed(2));
      return `${text(median)} × ${middle} (${low}–${high})`;
    });
    return line(what, [...cells, String(failed)]);
  });
  const { foreign, cpus, loadAverage } = bench.load;
  return [
    `datapath ${bench.datapath}, medians of ${bench.turns} turns, × raw or × node to outside in the same turn (quartiles); Kube-OVN's rows × ours`,
    `other work on the machine: ${(foreign * 100).toFixed(0)} % of ${cpus} CPUs (load average ${loadAverage.toFixed(1)})`,
    line("path", [...COLUMNS.map(([head]) => head), "failed"]),
    ...rows,
    "",
    formatVerdicts(dataplaneVerdicts(bench)),
  ].join("\n");
}
