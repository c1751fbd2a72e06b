// SPDX-License-Identifier: Apache-2.0

import { formatVerdicts, type MeasuredGoal, ms } from "./html-page.ts";
import type { SubnetsBench } from "./subnets.ts";

/** Goals in ms, and Kube-OVN on this kind of machine. */
const GOALS = { singleMs: 100, manyMs: 3_000 } as const;
const KUBE_OVN = { singleMs: "134–267 ms", manyMs: "23 s" } as const;

/** What was measured, beside what was wanted. */
function subnetsVerdicts({ builds, subnets }: SubnetsBench): readonly MeasuredGoal[] {
  const [weft] = builds;
  if (weft === undefined) return [];
  const singles = Object.entries(weft.single).map(([kind, { median, max }]) => ({
    what: `a new ${kind}, create → Ready${kind === "Subnet" ? ` (Kube-OVN: ${KUBE_OVN.singleMs})` : ""}`,
    measured: `median ${ms(median)}, slowest ${ms(max)}`,
    goal: `≤ ${ms(GOALS.singleMs)}`,
    met: median <= GOALS.singleMs,
  }));
  const slowest = Math.max(...weft.many);
  const many = {
    what: `${subnets} subnets, first create → last Ready (Kube-OVN: ${KUBE_OVN.manyMs})`,
    measured: weft.many.map(ms).join(", "),
    goal: `≤ ${ms(GOALS.manyMs)}`,
    met: slowest <= GOALS.manyMs,
  };
  return [...singles, many];
}

/** The figures for a terminal. */
export function formatSubnets(bench: SubnetsBench): string {
  const lines = bench.builds.flatMap(({ name, single, many, load }) => [
    ...Object.entries(single).map(
      ([kind, { median, min, max }]) => `${name} ${kind}: ${ms(median)} (${ms(min)} to ${ms(max)})`,
    ),
    `${name} ${bench.subnets} subnets: ${many.map(ms).join(", ")}`,
    `${name} CPU ms for one of them: ${Object.entries(load.programs)
      .filter(([, cpu]) => cpu >= bench.subnets * many.length)
      .map(([program, cpu]) => `${program} ${(cpu / bench.subnets / many.length).toFixed(1)}`)
      .join(", ")}`,
    `${name} other work on the machine: ${(load.foreign * 100).toFixed(0)} % of ${load.cpus} CPUs (load average ${load.loadAverage.toFixed(1)})`,
  ]);
  return `${lines.join("\n")}\n\n${formatVerdicts(subnetsVerdicts(bench))}`;
}
