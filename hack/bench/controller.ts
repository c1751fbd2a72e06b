// SPDX-License-Identifier: Apache-2.0

import type { Build } from "./builds.ts";
import { calm, type Load, loadBetween, readLoad, sumLoads } from "./controller-load.ts";
import type { Wave } from "./controller-pods.ts";
import type { ProcessUse } from "./controller-process.ts";
import { apiWrites, writesBetween } from "./controller-writes.ts";
import { type Bench, type BenchOptions, onQuietCluster, SAID } from "./controllers.ts";
import { type Spread, spread } from "./statistics.ts";

/** The bench's own writes: pods created and deleted, and the floor's objects. */
const OWN_WRITES: ReadonlySet<string> = new Set([
  "POST pods",
  "DELETE pods",
  "POST ips.bench.weft.local",
  "DELETE ips.bench.weft.local",
]);

/**
 * The counters of a subnet are written within this time; and a cold start counts as finished after it without a
 * write.
 */
const STATUS_MS = 11_000;

/** Between two single pods. */
const ALONE_MS = 200;

/** Pods that each controller handles before its turn is counted, to warm up it and the API server. */
const WARM_PODS = 60;

/** How often a cold start is measured, of each build. */
const COLD_STARTS = 3;

/** One start of a controller while all pods are in place. */
export interface ColdStart {
  /** From the process's start until it had read everything, until it led, and until it had compiled everything; ms. */
  readonly syncedMs: number;
  readonly leadsMs: number;
  readonly idleMs: number;
  readonly cpuMs: number;
  readonly use: ProcessUse;
  readonly northboundTransactions: number;
  /** Writes to Kubernetes from its start until some seconds after it was idle, less the Lease. */
  readonly writes: Readonly<Record<string, number>>;
}

/** The figures of one build. */
export interface BuildFigures {
  readonly name: Build["name"];
  readonly waves: readonly Wave[];
  readonly podsPerSecond: number;
  readonly load: Load;
  /** Of the controller itself. */
  readonly cpuMsPerPod: number;
  readonly northboundTransactionsPerPod: number;
  readonly northboundOperationsPerPod: number;
  /** Kind of write → how many. */
  readonly writes: Readonly<Record<string, number>>;
  readonly writesPerPod: number;
  /** Before the first pod, and at the end of its last turn. */
  readonly empty: ProcessUse;
  readonly full: ProcessUse;
  /** A single pod on an idle system: create → annotated, ms. */
  readonly single: Spread;
  /** From SIGKILL of the leader until the pod created next was annotated, ms. */
  readonly takeover: readonly number[];
  readonly coldStarts: readonly ColdStart[];
}

/** The figures of one run. */
export interface ControllerBench {
  readonly at: string;
  readonly pods: number;
  readonly floor: { readonly waves: readonly Wave[]; readonly podsPerSecond: number; readonly load: Load };
  /** This one first. */
  readonly builds: readonly BuildFigures[];
  /** Deleting all pods under this build: until their addresses were released, ms. */
  readonly releaseMs: number;
}

/** Options of the bench. */
export interface ControllerBenchOptions extends BenchOptions {
  /** In all: each build makes its part of them. */
  readonly pods: number;
  /** The number of turns of the baseline and the builds, so that other load on the machine affects all equally. */
  readonly turns: number;
  readonly takeovers: number;
}

/**
 * Measures the controller on the checkout's lab, compared with a client that makes the same writes and decides
 * nothing, and with another build.
 */
export async function benchController(options: ControllerBenchOptions): Promise<ControllerBench> {
  return await onQuietCluster(options, (bench) => new Run(bench, options).all());
}

/** What is gathered of one build, turn by turn. */
interface Gathered {
  readonly build: Build;
  readonly waves: Wave[];
  readonly loads: Load[];
  readonly writes: Map<string, number>;
  readonly singles: number[];
  readonly uses: ProcessUse[];
  readonly takeover: number[];
  readonly coldStarts: ColdStart[];
  cpuMs: number;
  transactions: number;
  operations: number;
}

class Run {
  readonly #bench: Bench;
  readonly #options: ControllerBenchOptions;

  constructor(bench: Bench, options: ControllerBenchOptions) {
    this.#bench = bench;
    this.#options = options;
  }

  async all(): Promise<ControllerBench> {
    const { pods, takeovers } = this.#options;
    const { progress, builds, controllers, pods: maker } = this.#bench;
    const none = { cpuMs: 0, transactions: 0, operations: 0 };
    const gathered: readonly Gathered[] = builds.map((build) => ({
      ...{ build, waves: [], loads: [], writes: new Map(), singles: [], uses: [], takeover: [], coldStarts: [] },
      ...none,
    }));
    const floor = await this.#turns(gathered);
    for (let i = 0; i < COLD_STARTS; i++) {
      for (const of of inTurn(gathered, i)) {
        const step = `a cold start of ${of.build.name} with ${pods} pods`;
        of.coldStarts.push(await progress.step(step, () => this.#coldStart(of.build)));
      }
    }
    for (const of of gathered) {
      await progress.step(`${of.build.name}: ${takeovers} failovers after SIGKILL`, () => this.#takeovers(of));
      // With many pods the rest takes longer than all before it.
      progress.note(`${of.build.name}: failovers in ${of.takeover.map((ms) => `${ms.toFixed(0)} ms`).join(", ")}`);
    }
    const [first] = builds;
    const last = first && controllers.start(first);
    await last?.said(SAID.idle);
    const releaseMs = await progress.step(`releasing ${pods} addresses`, async () => {
      const started = performance.now();
      const gone = maker.recordsGone(120_000 + pods * 500);
      await maker.clear();
      await gone;
      return performance.now() - started;
    });
    await controllers.stopAll();
    return { at: new Date().toISOString(), pods, floor, builds: gathered.map(figures), releaseMs };
  }

  /** Waits until earlier work is finished, so that no turn includes it. */
  async #calm(): Promise<void> {
    await this.#bench.cluster.settled();
    await calm(this.#bench.lab);
  }

  async #turns(gathered: readonly Gathered[]): Promise<ControllerBench["floor"]> {
    const { pods, turns } = this.#options;
    const { progress, pods: maker } = this.#bench;
    const floor = { waves: [] as Wave[], loads: [] as Load[] };
    // Not counted: code that the API server has not run since its start.
    await maker.floor(100);
    await maker.clearFloor();
    for (let turn = 0; turn < turns; turn++) {
      const count = Math.max(1, Math.round(pods / turns / gathered.length) - WARM_PODS);
      await this.#calm();
      await progress.step(`baseline: ${count} pods`, () => this.#wave(floor, () => maker.floor(count)));
      await maker.clearFloor();
      for (const of of inTurn(gathered, turn)) await this.#turn(of, count, turn === 0);
    }
    return { waves: floor.waves, podsPerSecond: rate(floor.waves), load: sumLoads(floor.loads) };
  }

  /** A build's turn, in a process of its own. */
  async #turn(of: Gathered, count: number, first: boolean): Promise<void> {
    const { lab, cluster, controllers, progress, pods } = this.#bench;
    const controller = controllers.start(of.build);
    await controller.said(SAID.idle);
    if (first) of.uses.push(controller.use());
    await pods.wave(WARM_PODS);
    if (first) of.singles.push(...(await progress.step("single pods", () => this.#singles(20))));
    await this.#calm();
    const [writes, metrics, { cpuMs }] = [await apiWrites(lab), await controller.metrics(), controller.use()];
    await progress.step(`${of.build.name}: ${count} pods`, () => this.#wave(of, () => pods.wave(count)));
    await cluster.settled();
    of.cpuMs += controller.use().cpuMs - cpuMs;
    const after = await controller.metrics();
    const grown = (name: string): number => (after.get(name) ?? 0) - (metrics.get(name) ?? 0);
    of.transactions += grown("weft_nb_transactions_total");
    of.operations += grown("weft_nb_operations_total");
    for (const [kind, more] of Object.entries(writesBetween(writes, await apiWrites(lab), OWN_WRITES)))
      of.writes.set(kind, (of.writes.get(kind) ?? 0) + more);
    of.uses.push(controller.use());
    // The last counters of a burst are written up to ten seconds after it: left to the next controller, they would count as a write of its start.
    await pause(STATUS_MS);
    await controllers.stop(controller);
  }

  /**
   * One after the other, each when the former one is completely finished, so that they are not combined in one
   * transaction.
   */
  async #singles(count: number): Promise<readonly number[]> {
    const times: number[] = [];
    for (let i = 0; i < count; i++) {
      times.push((await this.#bench.pods.wave(1)).ms);
      await pause(ALONE_MS);
    }
    return times;
  }

  async #wave(into: { readonly waves: Wave[]; readonly loads: Load[] }, run: () => Promise<Wave>): Promise<void> {
    const before = readLoad(this.#bench.lab);
    into.waves.push(await run());
    into.loads.push(loadBetween(before, readLoad(this.#bench.lab)));
  }

  async #coldStart(build: Build): Promise<ColdStart> {
    const { lab, controllers } = this.#bench;
    await this.#calm();
    const before = await apiWrites(lab);
    const controller = controllers.start(build);
    const idleMs = await controller.said(SAID.idle);
    const { cpuMs } = controller.use();
    // The absence of an event can only be observed by waiting.
    await pause(STATUS_MS);
    const metrics = await controller.metrics();
    const start = {
      syncedMs: await controller.said(SAID.synced),
      leadsMs: await controller.said(SAID.leads),
      ...{ idleMs, cpuMs },
      use: controller.use(),
      northboundTransactions: metrics.get("weft_nb_transactions_total") ?? Number.NaN,
      writes: writesBetween(before, await apiWrites(lab), OWN_WRITES),
    };
    await controllers.stop(controller);
    return start;
  }

  /** Kills the leader with SIGKILL while a standby has nothing left to do, again and again; the standby is the next leader. */
  async #takeovers({ build, takeover }: Gathered): Promise<void> {
    const { lab, controllers, pods } = this.#bench;
    let leader = controllers.start(build);
    await leader.said(SAID.idle);
    for (let i = 0; i < this.#options.takeovers; i++) {
      const standby = controllers.start(build);
      await standby.said(SAID.synced);
      await calm(lab);
      const killed = performance.now();
      const dead = controllers.kill(leader);
      await pods.wave(1);
      takeover.push(performance.now() - killed);
      await dead;
      leader = standby;
      await leader.said(SAID.idle);
    }
    await controllers.stop(leader);
  }
}

/** Another one is first each time. */
function inTurn<T>(all: readonly T[], turn: number): readonly T[] {
  return turn % 2 === 0 ? all : all.toReversed();
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function figures(of: Gathered): BuildFigures {
  const { build, waves, loads, writes, singles, uses, takeover, coldStarts } = of;
  const pods = waves.reduce((sum, wave) => sum + wave.pods, 0);
  const none = { cpuMs: Number.NaN, residentMiB: Number.NaN, peakMiB: Number.NaN };
  return {
    name: build.name,
    ...{ waves, takeover, coldStarts, podsPerSecond: rate(waves), load: sumLoads(loads) },
    cpuMsPerPod: of.cpuMs / pods,
    northboundTransactionsPerPod: of.transactions / pods,
    northboundOperationsPerPod: of.operations / pods,
    writes: Object.fromEntries([...writes].sort(([, a], [, b]) => b - a)),
    writesPerPod: [...writes.values()].reduce((sum, count) => sum + count, 0) / pods,
    empty: uses[0] ?? none,
    full: uses.at(-1) ?? none,
    single: spread(singles),
  };
}

/** Pods per second of some waves together. */
function rate(waves: readonly Wave[]): number {
  const pods = waves.reduce((sum, wave) => sum + wave.pods, 0);
  const ms = waves.reduce((sum, wave) => sum + wave.ms, 0);
  return (pods * 1000) / ms;
}
