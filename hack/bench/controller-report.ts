import type { ControllerBench } from "./controller.ts";
import type { Load } from "./controller-load.ts";
import { curves, dots, formatVerdicts, htmlPage, ms, type Verdict } from "./page.ts";

/** Goals of the issue on fixed addresses. Memory has one for each size of the cluster. */
const GOALS = {
  ratio: 0.7,
  writesPerPod: 2,
  cpuMsPerPod: 5,
  residentMiB: (pods: number): number => (pods <= 1_000 ? 150 : 350),
  takeoverMs: 2_000,
  coldStartMs: 10_000,
} as const;
/** A status of a subnet a second is no write for a pod. */
const WRITES_SLACK = 0.1;
/** Kube-OVN with 1,000 pods on this kind of machine. */
const KUBE_OVN = { podsPerSecond: 14.1, cpuMsPerPod: 19, residentMiB: 133, takeoverMs: 39_800 } as const;

const mebibytes = (value: number): string => `${value.toFixed(0)} MiB`;
const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((total, count) => total + count, 0);

/** What was measured, beside what was wanted. */
export function controllerVerdicts(bench: ControllerBench): readonly Verdict[] {
  const { pods, floor, weft, takeover, coldStart } = bench;
  const ratio = weft.podsPerSecond / floor.podsPerSecond;
  const resident = Math.max(weft.full.peakMiB, coldStart.use.peakMiB);
  const slowest = Math.max(...takeover);
  const verdict = (what: string, measured: string, goal: string, met: boolean): Verdict => ({
    what,
    measured,
    goal,
    met,
  });
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
    verdict(
      `controller's resident memory with ${pods} pods, at its highest`,
      mebibytes(resident),
      `≤ ${mebibytes(GOALS.residentMiB(pods))}`,
      resident <= GOALS.residentMiB(pods),
    ),
    verdict(
      "with a standby, from SIGKILL to the next pod's address, the slowest",
      ms(slowest),
      `≤ ${ms(GOALS.takeoverMs)}`,
      slowest <= GOALS.takeoverMs,
    ),
    verdict(
      `a cold start with ${pods} pods, until nothing is left to do`,
      ms(coldStart.idleMs),
      `≤ ${ms(GOALS.coldStartMs)}`,
      coldStart.idleMs <= GOALS.coldStartMs,
    ),
    verdict(
      "northbound transactions and Kubernetes writes of that start, less the Lease",
      `${coldStart.northboundTransactions} and ${sum(coldStart.writes)}${describe(coldStart.writes)}`,
      "0 and 0",
      coldStart.northboundTransactions === 0 && sum(coldStart.writes) === 0,
    ),
  ];
}

/** The figures for a terminal. */
export function formatController(bench: ControllerBench): string {
  return `${facts(bench)
    .map(([name, value]) => `${name.padEnd(46)} ${value}`)
    .join("\n")}\n\n${formatVerdicts(controllerVerdicts(bench))}`;
}

/** The figures as a page of its own. */
export function controllerPage(bench: ControllerBench): string {
  const intro = `${bench.at}. The floor is a client that makes the same three writes for each pod and decides nothing, in turns with the controller. Kube-OVN on this kind of machine, with 1,000 pods: ${KUBE_OVN.podsPerSecond} pods/s, ${KUBE_OVN.cpuMsPerPod} ms CPU for a pod, ${KUBE_OVN.residentMiB} MiB, ${KUBE_OVN.takeoverMs / 1000} s after SIGKILL.`;
  const waves = (of: "floor" | "weft", colour: string) =>
    bench[of].waves.map(({ annotatedMs }, index) => ({
      name: index === 0 ? of : "",
      at: annotatedMs,
      colour,
    }));
  const body = `<h2>Pods annotated, ms after the start of each turn</h2>
${curves([...waves("floor", "#9ca3af"), ...waves("weft", "#2563eb")])}
<h2>From SIGKILL of the leader to the next pod's address</h2>
${dots([{ name: "takeover", values: bench.takeover, colour: "#2563eb" }])}
<h2>All figures</h2>
<table>${facts(bench)
    .map(([name, value]) => `<tr><td>${name}</td><td>${value}</td></tr>`)
    .join("\n")}</table>`;
  return htmlPage("the controller", intro, controllerVerdicts(bench), body);
}

function facts(bench: ControllerBench): readonly (readonly [string, string])[] {
  const { pods, weft, floor, coldStart, single, takeover } = bench;
  return [
    ["single pod, create → annotated", `${ms(single.median)} (99 %: ${ms(single.p99)})`],
    ["northbound transactions for a pod", weft.northboundTransactionsPerPod.toFixed(3)],
    ["northbound operations for a pod", weft.northboundOperationsPerPod.toFixed(2)],
    ["writes to Kubernetes", describe(weft.writes)],
    ["memory before the first pod", `${mebibytes(weft.empty.residentMiB)} (peak ${mebibytes(weft.empty.peakMiB)})`],
    [`memory with ${pods} pods`, `${mebibytes(weft.full.residentMiB)} (peak ${mebibytes(weft.full.peakMiB)})`],
    ["memory after a cold start", `${mebibytes(coldStart.use.residentMiB)} (peak ${mebibytes(coldStart.use.peakMiB)})`],
    [
      "cold start: read, leads, idle",
      `${[coldStart.syncedMs, coldStart.leadsMs, coldStart.idleMs].map(ms).join(", ")}; CPU ${ms(coldStart.cpuMs)}`,
    ],
    ["takeovers", takeover.map(ms).join(", ")],
    [`${pods} pods deleted → addresses given back`, ms(bench.releaseMs)],
    ["CPU ms for a pod, by program, floor", programs(floor.load, pods)],
    ["CPU ms for a pod, by program, weft", programs(weft.load, pods)],
    ["other work on the machine, floor", foreign(floor.load)],
    ["other work on the machine, weft", foreign(weft.load)],
  ];
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
