// SPDX-License-Identifier: Apache-2.0

import type { DataplaneBench, PathFigures } from "./dataplane.ts";
import { formatVerdicts, type Verdict } from "./page.ts";

/** Shares of the raw path that are wanted, with nothing of Services and policies in use. */
const GOALS = {
  onNode: { pps: 0.5, tcp: 0.95, connections: 0.6 },
  across: { pps: 0.8, tcp: 0.95, connections: 0.6 },
} as const;

/** What was measured, beside what was wanted. */
export function dataplaneVerdicts({ paths }: DataplaneBench): readonly Verdict[] {
  const find = (what: string): PathFigures | undefined => paths.find((path) => path.what === what);
  const verdicts: Verdict[] = [];
  const share = (what: string, name: string, get: (path: PathFigures) => number, goal: number): void => {
    const path = find(what);
    const raw = find(path?.raw ?? "");
    if (path === undefined || raw === undefined) return;
    const measured = get(path) / get(raw);
    verdicts.push({
      what: `${what}: ${name}`,
      measured: `${measured.toFixed(2)} × raw`,
      goal: `≥ ${goal} ×`,
      met: measured >= goal,
    });
  };
  for (const [what, goal] of [
    ["pod to pod, on a node", GOALS.onNode],
    ["pod to pod, across nodes", GOALS.across],
  ] as const) {
    share(what, "UDP packets/s of 64 bytes", ({ pps64 }) => pps64, goal.pps);
    share(what, "TCP", ({ tcp }) => tcp, goal.tcp);
    share(what, "new connections/s", ({ connections }) => connections.perSecond, goal.connections);
  }
  const [plain, both] = [find("pod to pod, on a node"), find("the same under a NetworkPolicy")];
  if (plain !== undefined && both !== undefined) {
    const measured = both.pps64 / plain.pps64;
    verdicts.push({
      what: "with a Service and a policy: UDP packets/s of 64 bytes",
      measured: `${measured.toFixed(2)} × without`,
      goal: "≥ 0.8 ×",
      met: measured >= 0.8,
    });
  }
  return verdicts;
}

/** The figures for a terminal. */
export function formatDataplane(bench: DataplaneBench): string {
  const head = [
    "64 B pps",
    "× raw",
    "µs/pkt",
    "1300 B pps",
    "× raw",
    "TCP Gbit/s",
    "× raw",
    "conn/s",
    "× raw",
    "p50 ms",
    "p99 ms",
    "failed",
  ];
  const line = (what: string, cells: readonly string[]): string =>
    `${what.padEnd(34)}${cells.map((cell) => cell.padStart(11)).join("")}`;
  const rows = bench.paths.map((path) => {
    const raw = bench.paths.find(({ what }) => what === path.raw) ?? path;
    const { connections } = path;
    const ratio = (get: (of: PathFigures) => number): string => (get(path) / get(raw)).toFixed(2);
    return line(path.what, [
      path.pps64.toFixed(0),
      ratio(({ pps64 }) => pps64),
      path.cpuUs.toFixed(1),
      path.pps1300.toFixed(0),
      ratio(({ pps1300 }) => pps1300),
      (path.tcp / 1e9).toFixed(2),
      ratio(({ tcp }) => tcp),
      connections.perSecond.toFixed(0),
      ratio((of) => of.connections.perSecond),
      connections.p50.toFixed(2),
      connections.p99.toFixed(2),
      String(connections.failed),
    ]);
  });
  return [
    `datapath ${bench.datapath}, medians of ${bench.turns} turns; other work on the machine: ${(bench.load.foreign * 100).toFixed(0)} % of ${bench.load.cpus} CPUs (load average ${bench.load.loadAverage.toFixed(1)})`,
    line("path", head),
    ...rows,
    "",
    formatVerdicts(dataplaneVerdicts(bench)),
  ].join("\n");
}
