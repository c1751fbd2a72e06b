// SPDX-License-Identifier: Apache-2.0

import { type CniBench, GOALS } from "./cni.ts";
import { bars, dots, formatVerdicts, htmlPage, type MeasuredGoal, ms } from "./html-page.ts";
import type { Spread } from "./statistics.ts";

/** What was measured, beside what was wanted. */
function verdicts(bench: CniBench): readonly MeasuredGoal[] {
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
  const head = `${" ".repeat(width)}    n        min     median        p99        max`;
  return `${[head, ...figures].join("\n")}\n\n${formatVerdicts(verdicts(bench))}`;
}

/** The figures as a page of its own. */
export function htmlReport(bench: CniBench): string {
  const parts = Object.entries(bench.parts).map(([name, { median, p99 }]) => ({ name, median, p99 }));
  const intro = `${bench.at}. The floor is Debian's <code>bridge</code> and <code>host-local</code> plugins with the same kubelet and containerd, in the same run.`;
  const body = `<h2>Create → Ready, single pods</h2>
${dots([
  { name: "Weft", values: bench.samples.single.weft, colour: "#2563eb" },
  { name: "floor", values: bench.samples.single.floor, colour: "#9ca3af" },
])}
<h2>One ADD, as the daemon saw it</h2>
${dots([{ name: "ADD", values: bench.samples.adds.map((add) => add.ms), colour: "#2563eb" }])}
<h2>Its parts: median, and 99th percentile in grey</h2>
${bars(parts)}`;
  return htmlPage("a pod's way to its network", intro, verdicts(bench), body);
}
