// SPDX-License-Identifier: Apache-2.0

import { mkdirSync, rmSync } from "node:fs";
import { cp, readdir } from "node:fs/promises";
import { createProgress, type Progress } from "../host/progress.ts";
import { type Lab, openLab } from "../lab/lab.ts";
import { type Build, installBuilds } from "./builds.ts";
import { type QuietCluster, quietCluster } from "./controller-cluster.ts";
import { PodMaker } from "./controller-pods.ts";
import { ControllerProcess } from "./controller-process.ts";

/** Log messages of the controller when it follows, leads, and has nothing left to do. */
export const SAID = {
  synced: "initial state read",
  leads: "started leading",
  idle: "all units are compiled and committed",
} as const;

/** The controllers of a bench. */
export interface BenchOptions {
  /** Another checkout, which is measured as well. */
  readonly beside?: string;
  /** A folder for CPU profiles of the controllers (one for each that ends by itself). They cost time and memory themselves. */
  readonly profiles?: string;
  /** Flags of Node.js for the controllers, besides the image's own. */
  readonly nodeOptions?: string;
}

/** What a bench of controllers works with. */
export interface Bench {
  readonly lab: Lab;
  readonly cluster: QuietCluster;
  readonly pods: PodMaker;
  readonly builds: readonly Build[];
  readonly controllers: Controllers;
  readonly progress: Progress;
}

/** Takes the lab's cluster over, runs `measure`, and restores it. */
export async function onQuietCluster<R>(options: BenchOptions, measure: (bench: Bench) => Promise<R>): Promise<R> {
  const progress = createProgress();
  const lab = openLab(progress);
  // A build to compare with may not know TLS, and the controllers here have no Secret mounted.
  await lab.up({ cni: "weft", tls: false });
  const cluster = await progress.step("pausing kubelets and scaling the Deployment to 0", () => quietCluster(lab));
  const controllers = new Controllers(lab, cluster, options);
  try {
    const builds = await installBuilds(lab, cluster, options.beside, progress);
    const pods = await PodMaker.open(lab, "weft-bench");
    try {
      return await measure({ lab, cluster, pods, builds, controllers, progress });
    } finally {
      await progress.step("cleaning up", () => pods.close());
    }
  } finally {
    await controllers.stopAll();
    await progress.step("resuming kubelets and the Deployment", () => cluster.restore());
  }
}

/** The controllers that the bench has started. */
class Controllers {
  readonly #lab: Lab;
  readonly #cluster: QuietCluster;
  readonly #options: BenchOptions;
  readonly #running = new Set<ControllerProcess>();
  #index = 0;

  constructor(lab: Lab, cluster: QuietCluster, options: BenchOptions) {
    this.#lab = lab;
    this.#cluster = cluster;
    this.#options = options;
  }

  /** Starts one, each on the next node. */
  start(build: Build): ControllerProcess {
    const index = this.#index++;
    const node = this.#lab.nodes[index % this.#lab.nodes.length] ?? "";
    const { args, kubeconfig } = this.#cluster;
    const { profiles, nodeOptions } = this.#options;
    const { inImage } = this.#cluster.nodeFile(node, `profile-${index}`);
    const flags = [nodeOptions, profiles && `--cpu-prof --cpu-prof-dir=${inImage}`].filter(Boolean).join(" ");
    const how = { node, index, build, args, kubeconfig, ...(flags !== "" && { nodeOptions: flags }) };
    const controller = ControllerProcess.start(this.#lab, how);
    this.#running.add(controller);
    return controller;
  }

  /** SIGKILL. */
  async kill(controller: ControllerProcess): Promise<void> {
    this.#running.delete(controller);
    await controller.kill("SIGKILL");
  }

  /** Ends a controller in good order, and fetches its profile. */
  async stop(controller: ControllerProcess): Promise<void> {
    await controller.kill("SIGTERM");
    this.#running.delete(controller);
    const { profiles } = this.#options;
    if (profiles === undefined) return;
    mkdirSync(profiles, { recursive: true });
    const { node, index, build } = controller;
    const { onHost } = this.#cluster.nodeFile(node, `profile-${index}`);
    for (const file of await readdir(onHost)) {
      await cp(`${onHost}/${file}`, `${profiles}/controller-${index}-${build.name}.cpuprofile`);
    }
    rmSync(onHost, { recursive: true, force: true });
  }

  /** Ends all that still run. */
  async stopAll(): Promise<void> {
    for (const controller of [...this.#running]) await this.stop(controller);
  }
}
