// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import type { Lab } from "../lab/lab.ts";
import { findProcesses } from "../lab/process.ts";
import { processCpuMs } from "./process-cpu.ts";

/** CPU time of the machine and of the lab's processes at one moment, in ms. */
export interface LoadReading {
  readonly at: number;
  readonly busyMs: number;
  /** Program → its CPU time, all processes of the lab with that name together. */
  readonly programs: ReadonlyMap<string, number>;
}

/** Who used the machine's CPUs between two readings. */
export interface Load {
  /** CPU ms by program of the lab, the largest first; `bench` is the bench's own process. */
  readonly programs: Readonly<Record<string, number>>;
  /** Share of the machine's CPUs that was used by other processes on the same machine; 0 to 1. */
  readonly foreign: number;
  /** Mean length of the run queue over the last minute, as the kernel has it. */
  readonly loadAverage: number;
  readonly cpus: number;
}

/** Reads now. */
export function readLoad(lab: Lab): LoadReading {
  const mark = { mark: `WEFT_LAB=${lab.paths.id}`, cgroup: lab.paths.cgroup };
  const pids = [process.pid, ...findProcesses(mark).map(({ pid }) => pid)];
  const programs = new Map<string, number>();
  for (const pid of new Set(pids)) {
    const use = cpuOf(pid);
    if (use === undefined) continue;
    const name = pid === process.pid ? "bench" : use.name;
    programs.set(name, (programs.get(name) ?? 0) + use.ms);
  }
  return { at: performance.now(), busyMs: busyMs(), programs };
}

/** CPU time that all programs and the kernel have used since the machine started, of all CPUs together, ms (proc(5), /proc/stat). */
export function busyMs(): number {
  const [, user, nice, system, , , irq, softIrq] = (readFileSync("/proc/stat", "latin1").split("\n")[0] ?? "")
    .split(/\s+/)
    .map(Number);
  return 10 * [user, nice, system, irq, softIrq].reduce<number>((sum, value) => sum + (value ?? 0), 0);
}

/** The difference of two readings. CPU of a process that has ended meanwhile counts as foreign. */
export function loadBetween(before: LoadReading, after: LoadReading): Load {
  const programs = [...after.programs].map(([name, ms]): [string, number] => [
    name,
    ms - (before.programs.get(name) ?? 0),
  ]);
  const known = programs.reduce((sum, [, ms]) => sum + ms, 0);
  const cpus = availableParallelism();
  const foreign = (after.busyMs - before.busyMs - known) / ((after.at - before.at) * cpus);
  return {
    programs: Object.fromEntries(programs.filter(([, ms]) => ms > 0).sort(([, a], [, b]) => b - a)),
    foreign: Math.min(1, Math.max(0, foreign)),
    loadAverage: loadavg()[0] ?? 0,
    cpus,
  };
}

/**
 * The lab is calm when its processes together used less than this share of one CPU, in that many consecutive
 * readings.
 */
const CALM = { share: 0.15, looks: 4, everyMs: 250, mostMs: 60_000 } as const;

/**
 * Returns when earlier work is finished, also background work: garbage collection in the API server, controllers that
 * process deletions. Otherwise it would be counted in the next measurement. Gives up after a minute.
 */
export async function calm(lab: Lab): Promise<void> {
  const until = performance.now() + CALM.mostMs;
  let before = readLoad(lab);
  for (let looks = 0; looks < CALM.looks && performance.now() < until; ) {
    await new Promise((resolve) => setTimeout(resolve, CALM.everyMs));
    const now = readLoad(lab);
    const usedMs = Object.values(loadBetween(before, now).programs).reduce((sum, ms) => sum + ms, 0);
    looks = usedMs < CALM.share * (now.at - before.at) ? looks + 1 : 0;
    before = now;
  }
}

/** Sums of some loads; `foreign` is their mean. */
export function sumLoads(loads: readonly Load[]): Load {
  const programs = new Map<string, number>();
  for (const load of loads) {
    for (const [name, ms] of Object.entries(load.programs)) programs.set(name, (programs.get(name) ?? 0) + ms);
  }
  const mean = (of: (load: Load) => number): number =>
    loads.reduce((sum, load) => sum + of(load), 0) / Math.max(1, loads.length);
  return {
    programs: Object.fromEntries([...programs].sort(([, a], [, b]) => b - a)),
    foreign: mean((load) => load.foreign),
    loadAverage: mean((load) => load.loadAverage),
    cpus: availableParallelism(),
  };
}

/** Node.js programs go by their bundle's name, all others by their command's. */
function cpuOf(pid: number): { readonly name: string; readonly ms: number } | undefined {
  try {
    const ms = processCpuMs(pid);
    const words = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
    const bundle = words.find((word) => word.endsWith(".mjs"));
    const program = bundle ?? words[0] ?? "";
    const name = program
      .slice(program.lastIndexOf("/") + 1)
      .replace(/\.mjs$/, "")
      .replace(/:.*/, "");
    return { name, ms };
  } catch {
    return undefined;
  }
}
