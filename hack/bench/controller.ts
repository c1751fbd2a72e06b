import { mkdirSync, rmSync } from "node:fs";
import { cp, readdir } from "node:fs/promises";
import { type Lab, openLab } from "../lab/lab.ts";
import { createProgress, type Progress } from "../machine/progress.ts";
import { type QuietCluster, quietCluster } from "./controller-cluster.ts";
import { calm, type Load, loadBetween, readLoad, sumLoads } from "./controller-load.ts";
import { PodMaker, type Wave } from "./controller-pods.ts";
import { ControllerProcess, type ProcessUse } from "./controller-process.ts";
import { apiWrites, writesBetween } from "./controller-writes.ts";
import { type Spread, spread } from "./statistics.ts";

/** What the controller says in its log when it has begun to follow, to lead, and when nothing is left to do. */
const SAID = {
  synced: "everything is read",
  leads: "this process leads",
  idle: "everything is compiled and in the database",
} as const;

/** The bench's own writes: pods created and deleted, and the floor's objects. */
const OWN_WRITES: ReadonlySet<string> = new Set([
  "POST pods",
  "DELETE pods",
  "POST ips.bench.weft.local",
  "DELETE ips.bench.weft.local",
]);

/** After so long the counters of a subnet have been written; and so long nothing may be written after a cold start. */
const STATUS_MS = 11_000;

/** Between two single pods. */
const ALONE_MS = 200;

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

/** The figures of one run. */
export interface ControllerBench {
  readonly at: string;
  readonly pods: number;
  readonly floor: { readonly waves: readonly Wave[]; readonly podsPerSecond: number; readonly load: Load };
  readonly weft: {
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
    /** Before the first pod, and with all of them. */
    readonly empty: ProcessUse;
    readonly full: ProcessUse;
  };
  /** A single pod with nothing else to do: create → annotated, ms. */
  readonly single: Spread;
  /** From SIGKILL of the leader until the pod created next was annotated, ms. */
  readonly takeover: readonly number[];
  readonly coldStart: ColdStart;
  /** Deleting all pods: until their addresses were given back, ms. */
  readonly releaseMs: number;
}

/** Options of the bench. */
export interface ControllerBenchOptions {
  readonly pods: number;
  /** The floor and Weft take turns so often, so that whatever else the machine does meets both. */
  readonly turns: number;
  readonly takeovers: number;
  /** A folder for CPU profiles of the controllers (one for each that ends by itself). They cost time and memory themselves. */
  readonly profiles?: string;
  /** Flags of Node.js for the controllers, besides the image's own. */
  readonly nodeOptions?: string;
}

/** Measures the controller on the checkout's lab, beside a client that makes the same writes and decides nothing. */
export async function benchController(options: ControllerBenchOptions): Promise<ControllerBench> {
  const progress = createProgress();
  const lab = openLab(progress);
  await lab.up({ cni: "weft" });
  const cluster = await progress.step("taking over from kubelets and the Deployment", () => quietCluster(lab));
  const running: ControllerProcess[] = [];
  try {
    const pods = await PodMaker.open(lab, "weft-bench");
    try {
      return await new Run(lab, cluster, pods, progress, options, running).all();
    } finally {
      await progress.step("cleaning up", () => pods.close());
    }
  } finally {
    await Promise.all(running.map((controller) => controller.kill("SIGTERM")));
    await progress.step("giving kubelets and the Deployment back", () => cluster.restore());
  }
}

class Run {
  readonly #lab: Lab;
  readonly #cluster: QuietCluster;
  readonly #pods: PodMaker;
  readonly #progress: Progress;
  readonly #options: ControllerBenchOptions;
  readonly #running: ControllerProcess[];
  #index = 0;

  constructor(
    lab: Lab,
    cluster: QuietCluster,
    pods: PodMaker,
    progress: Progress,
    options: ControllerBenchOptions,
    running: ControllerProcess[],
  ) {
    this.#lab = lab;
    this.#cluster = cluster;
    this.#pods = pods;
    this.#progress = progress;
    this.#options = options;
    this.#running = running;
  }

  async all(): Promise<ControllerBench> {
    const { pods, takeovers } = this.#options;
    const step = this.#progress.step.bind(this.#progress);
    const first = this.#start();
    await first.said(SAID.idle);
    // Not counted: the first pods meet code that was never run, here and in the API server.
    await this.#pods.floor(100);
    await this.#pods.clearFloor();
    await this.#pods.wave(10);
    const single = await step("single pods", () => this.#singles(20));
    const { floor, weft } = await this.#turns(first);
    // The last counters of a burst are written up to ten seconds after it: left to the next controller, they would count as a write of its start.
    await new Promise((resolve) => setTimeout(resolve, STATUS_MS));
    await this.#stop(first);
    const coldStart = await step(`a cold start with ${pods} pods`, () => this.#coldStart());
    const takeover = await step(`${takeovers} times SIGKILL`, () => this.#takeovers());
    const releaseMs = await step(`giving ${pods} addresses back`, async () => {
      const started = performance.now();
      const gone = this.#pods.recordsGone(120_000 + pods * 500);
      await this.#pods.clear();
      await gone;
      return performance.now() - started;
    });
    for (const controller of [...this.#running]) await this.#stop(controller);
    return { at: new Date().toISOString(), pods, floor, weft, single: spread(single), takeover, coldStart, releaseMs };
  }

  /** One after the other, each when the last one is done with: nothing of it is left to be gathered into one transaction with the next. */
  async #singles(count: number): Promise<readonly number[]> {
    const times: number[] = [];
    for (let i = 0; i < count; i++) {
      times.push((await this.#pods.wave(1)).ms);
      await new Promise((resolve) => setTimeout(resolve, ALONE_MS));
    }
    return times;
  }

  /** Neither may pay for what was done before its turn. */
  async #calm(): Promise<void> {
    await this.#cluster.settled();
    await calm(this.#lab);
  }

  async #turns(controller: ControllerProcess): Promise<Pick<ControllerBench, "floor" | "weft">> {
    const { pods, turns } = this.#options;
    const floor = { waves: [] as Wave[], loads: [] as Load[] };
    const weft = { waves: [] as Wave[], loads: [] as Load[] };
    const writes = new Map<string, number>();
    let cpuMs = 0;
    const empty = controller.use();
    const before = await controller.metrics();
    for (let turn = 0; turn < turns; turn++) {
      const count = Math.round((pods * (turn + 1)) / turns) - Math.round((pods * turn) / turns);
      await this.#calm();
      await this.#progress.step(`floor: ${count} pods`, () => this.#turn(floor, () => this.#pods.floor(count)));
      await this.#pods.clearFloor();
      await this.#calm();
      const [writesBefore, cpuBefore] = [await apiWrites(this.#lab), controller.use().cpuMs];
      await this.#progress.step(`weft: ${count} pods`, () => this.#turn(weft, () => this.#pods.wave(count)));
      await this.#cluster.settled();
      cpuMs += controller.use().cpuMs - cpuBefore;
      const made = writesBetween(writesBefore, await apiWrites(this.#lab), OWN_WRITES);
      for (const [kind, more] of Object.entries(made)) writes.set(kind, (writes.get(kind) ?? 0) + more);
    }
    const after = await controller.metrics();
    const perPod = (name: string): number => ((after.get(name) ?? 0) - (before.get(name) ?? 0)) / pods;
    const sum = [...writes.values()].reduce((total, count) => total + count, 0);
    return {
      floor: { waves: floor.waves, podsPerSecond: rate(floor.waves), load: sumLoads(floor.loads) },
      weft: {
        waves: weft.waves,
        podsPerSecond: rate(weft.waves),
        load: sumLoads(weft.loads),
        cpuMsPerPod: cpuMs / pods,
        northboundTransactionsPerPod: perPod("weft_nb_transactions_total"),
        northboundOperationsPerPod: perPod("weft_nb_operations_total"),
        writes: Object.fromEntries([...writes].sort(([, a], [, b]) => b - a)),
        writesPerPod: sum / pods,
        empty,
        full: controller.use(),
      },
    };
  }

  async #turn(into: { readonly waves: Wave[]; readonly loads: Load[] }, run: () => Promise<Wave>): Promise<void> {
    const before = readLoad(this.#lab);
    into.waves.push(await run());
    into.loads.push(loadBetween(before, readLoad(this.#lab)));
  }

  async #coldStart(): Promise<ColdStart> {
    await this.#cluster.settled();
    const before = await apiWrites(this.#lab);
    const controller = this.#start();
    const idleMs = await controller.said(SAID.idle);
    const { cpuMs } = controller.use();
    // That something does not happen can only be seen by waiting.
    await new Promise((resolve) => setTimeout(resolve, STATUS_MS));
    const metrics = await controller.metrics();
    return {
      syncedMs: await controller.said(SAID.synced),
      leadsMs: await controller.said(SAID.leads),
      idleMs,
      cpuMs,
      use: controller.use(),
      northboundTransactions: metrics.get("weft_nb_transactions_total") ?? Number.NaN,
      writes: writesBetween(before, await apiWrites(this.#lab), OWN_WRITES),
    };
  }

  /** Kills the leader with SIGKILL while a standby has read everything, again and again; the standby is the next leader. */
  async #takeovers(): Promise<readonly number[]> {
    const times: number[] = [];
    for (let i = 0; i < this.#options.takeovers; i++) {
      const leader = this.#running.at(-1);
      const standby = this.#start();
      await standby.said(SAID.synced);
      const killed = performance.now();
      const dead = leader?.kill("SIGKILL");
      await this.#pods.wave(1);
      times.push(performance.now() - killed);
      await dead;
      if (leader !== undefined) this.#running.splice(this.#running.indexOf(leader), 1);
      await standby.said(SAID.idle);
    }
    return times;
  }

  /** Starts a controller, each on the next node. */
  #start(): ControllerProcess {
    const index = this.#index++;
    const node = this.#lab.nodes[index % this.#lab.nodes.length] ?? "";
    const { args, kubeconfig } = this.#cluster;
    const { profiles, nodeOptions } = this.#options;
    const { inImage } = this.#cluster.nodeFile(node, `profile-${index}`);
    const flags = [nodeOptions, profiles && `--cpu-prof --cpu-prof-dir=${inImage}`].filter(Boolean).join(" ");
    const controller = ControllerProcess.start(this.#lab, {
      node,
      index,
      args,
      kubeconfig,
      ...(flags !== "" && { nodeOptions: flags }),
    });
    this.#running.push(controller);
    return controller;
  }

  /** Ends a controller in good order, and fetches its profile. */
  async #stop(controller: ControllerProcess): Promise<void> {
    await controller.kill("SIGTERM");
    this.#running.splice(this.#running.indexOf(controller), 1);
    const { profiles } = this.#options;
    if (profiles === undefined) return;
    mkdirSync(profiles, { recursive: true });
    const { onHost } = this.#cluster.nodeFile(controller.node, `profile-${controller.index}`);
    for (const file of await readdir(onHost)) {
      await cp(`${onHost}/${file}`, `${profiles}/controller-${controller.index}.cpuprofile`);
    }
    rmSync(onHost, { recursive: true, force: true });
  }
}

/** Pods per second of some waves together. */
function rate(waves: readonly Wave[]): number {
  const pods = waves.reduce((sum, wave) => sum + wave.pods, 0);
  const ms = waves.reduce((sum, wave) => sum + wave.ms, 0);
  return (pods * 1000) / ms;
}
