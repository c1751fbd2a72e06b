// SPDX-License-Identifier: Apache-2.0

import { createProgress } from "../host/progress.ts";
import { type Lab, openLab } from "../lab/lab.ts";
import { useFloor } from "./baseline-cni.ts";
import { ReadyClock } from "./ready.ts";
import { type Spread, spread } from "./statistics.ts";

/** Goals of the foundation issue, for the report. */
export const GOALS = {
  singleAboveFloorMs: 150,
  burstRatio: 1.3,
  addMs: 45,
  daemonMiB: 110,
  controllerMiB: 130,
} as const;

/** One ADD as the daemon measured it: milliseconds, in total and by part. */
interface Add {
  readonly ms: number;
  readonly parts: Readonly<Record<string, number>>;
}

/** The figures of one run. Times in ms, memory in MiB. */
export interface CniBench {
  readonly at: string;
  readonly single: { readonly weft: Spread; readonly floor: Spread };
  readonly burst: { readonly pods: number; readonly weft: Spread; readonly floor: Spread };
  readonly add: Spread;
  readonly addInBurst: Spread;
  readonly parts: Readonly<Record<string, Spread>>;
  readonly shim: Spread;
  readonly memory: { readonly daemon: readonly number[]; readonly controller: number; readonly pods: number };
  readonly samples: {
    readonly single: { readonly weft: readonly number[]; readonly floor: readonly number[] };
    readonly adds: readonly Add[];
  };
}

/** Options of the bench. */
export interface CniBenchOptions {
  readonly singles: number;
  readonly burst: number;
  readonly full: number;
}

/**
 * Measures Weft and the baseline in turns on one lab: create → Ready for single pods and for a burst, ADD as measured
 * by the daemon, and the processes' memory.
 */
export async function benchCni({ singles, burst, full }: CniBenchOptions): Promise<CniBench> {
  const progress = createProgress();
  const lab = openLab(progress);
  await lab.up({ nodes: 2, cni: "weft" });
  const clock = await ReadyClock.open(lab, "weft-bench");
  const samples = {
    single: { weft: [] as number[], floor: [] as number[] },
    burst: { weft: [] as number[], floor: [] as number[] },
  };
  const adds: Add[] = [];
  const burstAdds: Add[] = [];
  try {
    // The first pod on each node warms up caches: it is not counted.
    await clock.create(lab.nodes.map((node, index) => ({ name: `warm-${index}`, node })));
    await clock.clear();
    const round = async (which: "weft" | "floor"): Promise<void> => {
      await progress.step(`${which}: ${singles} single pods`, async () => {
        for (let i = 0; i < singles; i++) {
          const node = lab.nodes[i % lab.nodes.length] ?? "";
          samples.single[which].push(...(await clock.create([{ name: `${which}-s${i}`, node }])));
        }
      });
      if (which === "weft") adds.push(...(await recentAdds(lab, singles)));
      await clock.clear();
      await progress.step(`${which}: ${burst} pods at once`, async () => {
        const entries = Array.from({ length: burst }, (_, i) => ({
          name: `${which}-b${i}`,
          node: lab.nodes[i % lab.nodes.length] ?? "",
        }));
        samples.burst[which].push(...(await clock.create(entries)));
      });
      if (which === "weft") burstAdds.push(...(await recentAdds(lab, burst)));
      await clock.clear();
    };
    await round("weft");
    const restore = await useFloor(lab);
    try {
      await clock.create(lab.nodes.map((node, index) => ({ name: `warm-floor-${index}`, node })));
      await clock.clear();
      await round("floor");
    } finally {
      await restore();
    }
    const memory = await progress.step(`memory with ${full} pods`, async () => {
      await clock.create(
        Array.from({ length: full }, (_, i) => ({ name: `full-${i}`, node: lab.nodes[i % lab.nodes.length] ?? "" })),
      );
      const figures = await residentMemory(lab);
      await clock.clear();
      return { ...figures, pods: full };
    });
    const partNames = [...new Set(adds.flatMap((add) => Object.keys(add.parts)))];
    return {
      at: new Date().toISOString(),
      single: { weft: spread(samples.single.weft), floor: spread(samples.single.floor) },
      burst: { pods: burst, weft: spread(samples.burst.weft), floor: spread(samples.burst.floor) },
      add: spread(adds.map((add) => add.ms)),
      addInBurst: spread(burstAdds.map((add) => add.ms)),
      parts: Object.fromEntries(partNames.map((name) => [name, spread(adds.flatMap((add) => add.parts[name] ?? []))])),
      shim: spread(await shimTimes(lab)),
      memory,
      samples: { single: samples.single, adds },
    };
  } finally {
    await clock.close(lab);
  }
}

/** The newest ADDs of all nodes, `count` in sum at most, from the daemons' own journal. */
async function recentAdds(lab: Lab, count: number): Promise<readonly Add[]> {
  const journals = await Promise.all(
    lab.nodes.map(async (node) => {
      const { stdout } = await lab
        .node(node)
        .exec(["curl", "-sS", "--max-time", "5", "http://127.0.0.1:10666/debug/adds?verb=add"]);
      return JSON.parse(stdout) as { at: string; total: number; parts: Record<string, number>; error?: string }[];
    }),
  );
  const newest = journals
    .flat()
    .filter((entry) => entry.error === undefined)
    .sort((a, b) => (a.at < b.at ? 1 : -1));
  return newest.slice(0, count).map(({ total, parts }) => ({ ms: total, parts }));
}

/** Wall time of the shim as a process: STATUS goes to the daemon and back, as any verb does. */
async function shimTimes(lab: Lab): Promise<readonly number[]> {
  const node = lab.nodes[0] ?? "";
  const conf = JSON.stringify({
    cniVersion: "1.1.0",
    name: "kube-ovn",
    type: "kube-ovn",
    server_socket: "/run/openvswitch/kube-ovn-daemon.sock",
  });
  const script = `for i in $(seq 31); do s=$(date +%s%N); CNI_COMMAND=STATUS CNI_PATH=/opt/cni/bin /opt/cni/bin/kube-ovn <<'E' >/dev/null\n${conf}\nE\n e=$(date +%s%N); echo $(( (e-s)/1000 )); done`;
  const { stdout } = await lab.node(node).exec(["sh", "-c", script]);
  return stdout
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => Number(line) / 1000);
}

/** Resident memory of the daemons and of the leading controller, in MiB, from /proc. */
async function residentMemory(lab: Lab): Promise<{ readonly daemon: readonly number[]; readonly controller: number }> {
  const script = `for p in /proc/[0-9]*; do c=$(tr '\\0' ' ' < $p/cmdline 2>/dev/null) || continue; case "$c" in *weft-daemon.mjs*|*weft-controller.mjs*) echo "$c|$(awk '/^VmRSS/{print $2}' $p/status)|$(readlink $p/ns/mnt)";; esac; done`;
  const all = await Promise.all(lab.nodes.map((node) => lab.node(node).exec(["sh", "-c", script])));
  // Every space sees all processes of the machine: one node's view is enough.
  const lines = (all[0]?.stdout ?? "")
    .trim()
    .split("\n")
    .filter((line) => line !== "");
  const rss = (name: string): number[] =>
    lines.filter((line) => line.includes(name)).map((line) => Number(line.split("|")[1]) / 1024);
  return { daemon: rss("weft-daemon.mjs"), controller: Math.max(0, ...rss("weft-controller.mjs")) };
}
