// SPDX-License-Identifier: Apache-2.0

import type { BuildFigures, ColdStart, ControllerBench } from "./controller.ts";
import type { Load } from "./controller-load.ts";
import type { Wave } from "./controller-pods.ts";
import { curves, dots, formatVerdicts, htmlPage, type MeasuredGoal, ms } from "./html-page.ts";
import { quantile } from "./statistics.ts";

/** Goals: by themselves, and as a part of another build's figure. */
const GOALS = {
  ratio: 0.8,
  writesPerPod: 2,
  cpuMsPerPod: 5,
  residentMiB: (pods: number): number => (pods <= 1_000 ? 150 : 350),
  takeoverMs: 1_000,
  coldStartMs: 10_000,
  beside: { cpu: 1, resident: 0.8 },
} as const;
/** Counters of a subnet every ten seconds are no write for a pod. */
const WRITES_SLACK = 0.1;
const COLOURS = { this: "#2563eb", beside: "#d97706" } as const;

const mebibytes = (value: number): string => `${value.toFixed(0)} MiB`;
const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((total, count) => total + count, 0);
const middle = (values: readonly number[]): number => quantile(values, 0.5);
/** The peak of resident memory, in a turn or at a start. */
const peak = ({ full, coldStarts }: BuildFigures): number =>
  Math.max(full.peakMiB, ...coldStarts.map(({ use }) => use.peakMiB));

/** The measured values and the goals. */
function controllerVerdicts(bench: ControllerBench): readonly MeasuredGoal[] {
  const { pods, floor } = bench;
  const [weft, other] = bench.builds;
  if (weft === undefined) return [];
  const ratio = weft.podsPerSecond / floor.podsPerSecond;
  const resident = peak(weft);
  const slowest = Math.max(...weft.takeover);
  const idle = middle(weft.coldStarts.map(({ idleMs }) => idleMs));
  const transactions = weft.coldStarts.reduce((total, start) => total + start.northboundTransactions, 0);
  const writes = weft.coldStarts.reduce((total, start) => total + sum(start.writes), 0);
  const verdict = (what: string, measured: string, goal: string, met: boolean): MeasuredGoal => ({
    what,
    measured,
    goal,
    met,
  });
  const beside = (what: string, of: (figures: BuildFigures) => number, goal: number): readonly MeasuredGoal[] => {
    if (other === undefined) return [];
    const part = of(weft) / of(other);
    return [verdict(`${what}, as a part of the other build's`, `${part.toFixed(2)} ×`, `≤ ${goal} ×`, part <= goal)];
  };
  return [
    verdict(
      `${pods} pods, create → annotated`,
      `${ratio.toFixed(2)} × the floor (${weft.podsPerSecond.toFixed(1)} against ${floor.podsPerSecond.toFixed(1)} pods/s)`,
      `≥ ${GOALS.ratio} ×`,
      ratio >= GOALS.ratio,
    ),
    verdict(
      "writes to Kubernetes for a pod, beyond its creation",
      weft.writesPerPod.toFixed(2),
      `${GOALS.writesPerPod}`,
      weft.writesPerPod <= GOALS.writesPerPod + WRITES_SLACK,
    ),
    verdict(
      "controller's CPU for a pod",
      ms(weft.cpuMsPerPod),
      `≤ ${GOALS.cpuMsPerPod} ms`,
      weft.cpuMsPerPod <= GOALS.cpuMsPerPod,
    ),
    ...beside("controller's CPU for a pod", ({ cpuMsPerPod }) => cpuMsPerPod, GOALS.beside.cpu),
    verdict(
      `controller's resident memory with ${pods} pods, at its highest`,
      mebibytes(resident),
      `≤ ${mebibytes(GOALS.residentMiB(pods))}`,
      resident <= GOALS.residentMiB(pods),
    ),
    ...beside("that", peak, GOALS.beside.resident),
    verdict(
      "with a standby, from SIGKILL to the next pod's address, the slowest",
      ms(slowest),
      `≤ ${ms(GOALS.takeoverMs)}`,
      slowest <= GOALS.takeoverMs,
    ),
    verdict(
      `a cold start with ${pods} pods, until nothing is left to do`,
      ms(idle),
      `≤ ${ms(GOALS.coldStartMs)}`,
      idle <= GOALS.coldStartMs,
    ),
    verdict(
      `northbound transactions and Kubernetes writes of ${weft.coldStarts.length} such starts, less the Lease`,
      `${transactions} and ${writes}${weft.coldStarts.map((start) => describe(start.writes)).join("")}`,
      "0 and 0",
      transactions === 0 && writes === 0,
    ),
  ];
}

/** The figures for a terminal. */
export function formatController(bench: ControllerBench): string {
  const lines = facts(bench).map(
    ([name = "", ...values]) => `${name.padEnd(46)} ${values.map((value) => value.padEnd(34)).join(" ")}`,
  );
  return `${lines.map((line) => line.trimEnd()).join("\n")}\n\n${formatVerdicts(controllerVerdicts(bench))}`;
}

/** The figures as a page of its own. */
export function controllerPage(bench: ControllerBench): string {
  const intro = `${bench.at}. The floor is a client that makes the same three writes for each pod and decides nothing, in turns with the controller${bench.builds.length > 1 ? " and with another build of it" : ""}.`;
  const waves = (name: string, of: readonly Wave[], colour: string) =>
    of.map(({ annotatedMs }, index) => ({ name: index === 0 ? name : "", at: annotatedMs, colour }));
  const series = bench.builds.map(({ name, takeover }) => ({ name, values: takeover, colour: COLOURS[name] }));
  const body = `<h2>Pods annotated, ms after the start of each turn</h2>
${curves([...waves("floor", bench.floor.waves, "#9ca3af"), ...bench.builds.flatMap((build) => waves(build.name, build.waves, COLOURS[build.name]))])}
<h2>From SIGKILL of the leader to the next pod's address</h2>
${dots(series)}
<h2>All figures</h2>
<table>${facts(bench)
    .map((cells) => `<tr>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`)
    .join("\n")}</table>`;
  return htmlPage("the controller", intro, controllerVerdicts(bench), body);
}

/** A row for each figure: its name, its value for each build, and the first as a part of the second. */
function facts(bench: ControllerBench): readonly (readonly string[])[] {
  const { pods, floor, builds } = bench;
  const row = (name: string, of: (build: BuildFigures) => string): readonly string[] => [name, ...builds.map(of)];
  const part = (name: string, unit: (value: number) => string, of: (build: BuildFigures) => number) => {
    const [mine = Number.NaN, theirs] = builds.map(of);
    return [
      ...row(name, (build) => unit(of(build))),
      ...(theirs === undefined ? [] : [`${(mine / theirs).toFixed(2)} ×`]),
    ];
  };
  const count = (value: number): string => value.toFixed(3);
  const starts =
    (of: (start: ColdStart) => number) =>
    (build: BuildFigures): number =>
      middle(build.coldStarts.map(of));
  return [
    row("", ({ name }) => name),
    part(
      "pods/s",
      (value) => value.toFixed(1),
      (build) => build.podsPerSecond,
    ),
    part("pods/s ÷ the floor's", count, (build) => build.podsPerSecond / floor.podsPerSecond),
    part("single pod, create → annotated, median", ms, ({ single }) => single.median),
    part("CPU for a pod", ms, (build) => build.cpuMsPerPod),
    part("northbound transactions for a pod", count, (build) => build.northboundTransactionsPerPod),
    part("northbound operations for a pod", count, (build) => build.northboundOperationsPerPod),
    row("writes to Kubernetes", ({ writes }) => describe(writes)),
    part("memory before the first pod", mebibytes, ({ empty }) => empty.residentMiB),
    part("memory after its last turn", mebibytes, ({ full }) => full.residentMiB),
    part("memory after its last turn, peak", mebibytes, ({ full }) => full.peakMiB),
    part(
      "memory after a cold start, median",
      mebibytes,
      starts(({ use }) => use.residentMiB),
    ),
    part(
      "memory after a cold start, peak",
      mebibytes,
      starts(({ use }) => use.peakMiB),
    ),
    part(
      "cold start: everything read, median",
      ms,
      starts(({ syncedMs }) => syncedMs),
    ),
    part(
      "cold start: idle, median",
      ms,
      starts(({ idleMs }) => idleMs),
    ),
    part(
      "cold start: CPU, median",
      ms,
      starts(({ cpuMs }) => cpuMs),
    ),
    part("takeover, median", ms, ({ takeover }) => middle(takeover)),
    part("takeover, slowest", ms, ({ takeover }) => Math.max(...takeover)),
    row("takeovers", ({ takeover }) => takeover.map(ms).join(", ")),
    row("CPU ms for a pod, by program", ({ load, waves }) => programs(load, podsOf(waves))),
    ["CPU ms for a pod, by program, floor", programs(floor.load, podsOf(floor.waves))],
    row("other work on the machine", ({ load }) => foreign(load)),
    ["other work on the machine, floor", foreign(floor.load)],
    [`${pods} pods deleted → addresses released`, ms(bench.releaseMs)],
  ];
}

function podsOf(waves: readonly Wave[]): number {
  return waves.reduce((total, wave) => total + wave.pods, 0);
}

function describe(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([kind, count]) => `${count} × ${kind}`);
  return parts.length === 0 ? "" : ` (${parts.join(", ")})`;
}

function programs({ programs: used }: Load, pods: number): string {
  return Object.entries(used)
    .filter(([, value]) => value / pods >= 0.1)
    .map(([name, value]) => `${name} ${(value / pods).toFixed(1)}`)
    .join(", ");
}

function foreign(load: Load): string {
  return `${(load.foreign * 100).toFixed(0)} % of ${load.cpus} CPUs (load average ${load.loadAverage.toFixed(1)})`;
}
