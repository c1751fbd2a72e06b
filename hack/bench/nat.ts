// SPDX-License-Identifier: Apache-2.0

import { createProgress } from "../host/progress.ts";
import { openLab } from "../lab/lab.ts";
import { calm, type Load, loadBetween, readLoad, sumLoads } from "./controller-load.ts";
import { vswitchdCpuMs } from "./dataplane-raw.ts";
import { type Connections, connections } from "./dataplane-traffic.ts";
import { type NatPath, natPaths } from "./nat-paths.ts";
import { measureRules, type RuleFigures } from "./nat-rules.ts";
import { quantile } from "./statistics.ts";

/** New connections through one kind of NAT. */
export interface NatPathFigures {
  readonly what: string;
  readonly raw?: string;
  /** Medians of the turns. */
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** CPU that the node's ovs-vswitchd uses for one connection, µs: it depends less on other work on the machine. */
  readonly cpuUs: number;
  /** Turn by turn × raw in the same turn: quartiles and median of the connections per second; NaN for raw itself. */
  readonly ratio: { readonly low: number; readonly median: number; readonly high: number };
  readonly failed: number;
}

/** The figures of one run. */
export interface NatBench {
  readonly at: string;
  /** Absent if only connections were measured. */
  readonly rules?: RuleFigures;
  /** Absent if only rules were measured. */
  readonly traffic?: { readonly turns: number; readonly paths: readonly NatPathFigures[]; readonly load: Load };
}

/** One turn of one path. */
type Sample = Connections & Pick<NatPathFigures, "cpuUs">;

/** What is measured. */
export interface NatOptions {
  /** Floating IPs, and as many forwarded ports; 0: rules are not measured. */
  readonly rules: number;
  /** Alternations of the paths; 0: connections are not measured. */
  readonly turns: number;
}

/** Measures changes of NAT rules in a VPC that has many, with real servers of OVN, and new connections through each kind of NAT on the lab. */
export async function benchNat({ rules, turns }: NatOptions): Promise<NatBench> {
  const progress = createProgress();
  return {
    at: new Date().toISOString(),
    ...(turns > 0 && { traffic: await measureTraffic(turns, progress) }),
    ...(rules > 0 && { rules: await measureRules(rules, progress) }),
  };
}

/** Turns are short, and the order alternates: see `benchDataplane`. */
async function measureTraffic(
  turns: number,
  progress: ReturnType<typeof createProgress>,
): Promise<NonNullable<NatBench["traffic"]>> {
  const lab = openLab(progress);
  await lab.up({ nodes: 2, cni: "weft" });
  const undo: (() => Promise<unknown>)[] = [];
  try {
    const paths = await progress.step("paths", () => natPaths(lab, undo));
    const [first = ""] = lab.nodes;
    const samples = new Map<string, Sample[]>(paths.map(({ what }) => [what, []]));
    const loads: Load[] = [];
    await calm(lab);
    for (let turn = 0; turn < turns; turn++) {
      const before = readLoad(lab);
      await progress.step(`turn ${turn + 1} of ${turns}`, async (step) => {
        for (const { what, from, to, port } of turn % 2 === 0 ? paths : paths.toReversed()) {
          step.update(what);
          const cpu = vswitchdCpuMs(lab, first);
          const made = await connections(from, to, port);
          samples.get(what)?.push({ ...made, cpuUs: ((vswitchdCpuMs(lab, first) - cpu) * 1_000) / made.made });
        }
      });
      loads.push(loadBetween(before, readLoad(lab)));
    }
    return { turns, paths: paths.map((path) => figures(path, samples)), load: sumLoads(loads) };
  } finally {
    for (const one of undo.reverse()) await one().catch(() => undefined);
  }
}

function figures({ what, raw }: NatPath, samples: ReadonlyMap<string, readonly Sample[]>): NatPathFigures {
  const own = samples.get(what) ?? [];
  const other = samples.get(raw ?? "") ?? [];
  const ratios = own.map(({ perSecond }, turn) => perSecond / (other[turn]?.perSecond ?? Number.NaN));
  const median = (get: (sample: Sample) => number): number => quantile(own.map(get), 0.5);
  return {
    ...{ what, ...(raw !== undefined && { raw }) },
    perSecond: median(({ perSecond }) => perSecond),
    p50: median(({ p50 }) => p50),
    p99: median(({ p99 }) => p99),
    cpuUs: median(({ cpuUs }) => cpuUs),
    ratio: { low: quantile(ratios, 0.25), median: quantile(ratios, 0.5), high: quantile(ratios, 0.75) },
    failed: own.reduce((sum, { failed }) => sum + failed, 0),
  };
}
