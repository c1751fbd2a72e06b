// SPDX-License-Identifier: Apache-2.0

import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build, DIST } from "../build/build.ts";
import { ROOT } from "../build/npm.ts";
import { architecture, replaceAtomically } from "../host/cache.ts";
import { HostError } from "../host/error.ts";
import { withFileLock } from "../host/lock.ts";
import type { Progress } from "../host/progress.ts";
import { run } from "../host/run.ts";
import { makeImage } from "../image/image.ts";
import type { Lab } from "../lab/lab.ts";
import { ensureTool } from "../tools/tools.ts";
import { thinArchive } from "./archive-without-blobs.ts";
import { whyNotReadyInLab } from "./diagnosis.ts";
import { labValues, RELEASE_NAMESPACE } from "./values.ts";

/** The workloads of the chart, in the order in which they can become ready. */
const WORKLOADS: readonly string[] = [
  "deployment/ovn-central",
  "daemonset/ovs-ovn",
  "deployment/kube-ovn-controller",
  "daemonset/kube-ovn-cni",
];

/** Workloads that values of the chart switch on. */
const OPTIONAL_WORKLOADS: readonly string[] = ["daemonset/kube-ovn-speaker", "daemonset/kube-ovn-pinger"];

/** Choices of a deployment; everything is optional. */
export interface DeployOptions {
  /** Further values of the chart, as `helm --set` takes them. */
  readonly set?: readonly string[];
  /** Until all workloads must be ready; three minutes by default. */
  readonly timeoutMs?: number;
}

/**
 * Deploys the checkout into its lab: builds stale files, builds the image, imports it into each node, installs or
 * upgrades the chart, and returns when all workloads are ready. Rejects with HostError, which names what is not ready
 * and why.
 */
export async function deploy(lab: Lab, progress: Progress, options: DeployOptions = {}): Promise<void> {
  const { settings } = lab;
  if (settings === undefined)
    throw new HostError("unsupported", 'the lab of this checkout is not running; start it: "npm run lab -- up"');
  const thin = join(lab.paths.state, "weft-image.tar");
  // One checkout can have several labs, and files may be built during a deployment.
  const image = await withFileLock(
    join(DIST, "lock"),
    async () => {
      await build([architecture()], progress);
      const made = await makeImage(progress);
      await thinArchive(made.archive, await presentInAllNodes(lab), thin);
      return made;
    },
    () => progress.note("another deployment of this checkout is building; waiting for it"),
  );
  await lab.importImage(thin);
  await rm(thin);
  const values = join(lab.paths.state, "weft-values.json");
  await replaceAtomically(values, (temporary) =>
    writeFile(temporary, `${JSON.stringify(labValues(settings, image), null, 2)}\n`),
  );
  const helm = await ensureTool("helm", progress);
  await progress.step("helm upgrade --install weft", () =>
    run(helm, [
      ...[`--kubeconfig=${lab.paths.kubeconfig}`, `--namespace=${RELEASE_NAMESPACE}`, "upgrade", "--install", "weft"],
      ...[join(ROOT, "charts/weft"), `--values=${values}`, "--take-ownership", "--history-max=3"],
      ...(options.set ?? []).map((set) => `--set=${set}`),
    ]),
  );
  await waitUntilReady(lab, progress, options.timeoutMs ?? 180_000);
}

/** Digests of what every node's containerd has already. */
async function presentInAllNodes(lab: Lab): Promise<ReadonlySet<string>> {
  const lists = await Promise.all(
    lab.nodes.map(async (name) => {
      const { stdout } = await lab.node(name).exec(["ctr", "--namespace=k8s.io", "content", "list", "--quiet"]);
      return new Set(stdout.split("\n").filter((line) => line !== ""));
    }),
  );
  return lists.reduce((all, one) => all.intersection(one), lists[0] ?? new Set());
}

/**
 * Waits until the workloads are rolled out, each by a watch of its own; a DaemonSet whose pods are replaced when they are deleted, until all its pods are
 * available. Rejects with HostError as {@link deploy}.
 */
export async function waitUntilReady(lab: Lab, progress: Progress, timeoutMs: number): Promise<void> {
  const stop = performance.now() + timeoutMs;
  await progress.step("waiting for the pods of Weft", async (step) => {
    const optional = await lab.kubectl([
      ...[`--namespace=${RELEASE_NAMESPACE}`, "get", ...OPTIONAL_WORKLOADS],
      ...["--ignore-not-found", "--output=name"],
    ]);
    const present = OPTIONAL_WORKLOADS.filter((one) => optional.stdout.includes(one.replace("/", ".apps/")));
    const workloads = [...WORKLOADS, ...present];
    const waiting = new Set(workloads);
    const show = (): void => step.update([...waiting].map((name) => name.replace(/.*\//, "")).join(", "));
    show();
    const results = await Promise.all(
      workloads.map(async (workload) => {
        const left = Math.max(1, Math.round((stop - performance.now()) / 1000));
        const what = await statusCommand(lab, workload);
        const args = [`--namespace=${RELEASE_NAMESPACE}`, ...what, workload, `--timeout=${left}s`];
        const { code } = await lab.kubectl(args, { allowFailure: true });
        if (code !== 0) return workload;
        waiting.delete(workload);
        show();
        return undefined;
      }),
    );
    const failed = results.filter((name) => name !== undefined);
    if (failed.length > 0) throw new HostError("timed-out", await whyNotReadyInLab(lab, failed));
  });
}

/** How kubectl waits for a workload: `rollout status` refuses DaemonSets of the strategy OnDelete. */
async function statusCommand(lab: Lab, workload: string): Promise<readonly string[]> {
  const shown = "jsonpath={.spec.updateStrategy.type} {.status.desiredNumberScheduled}";
  const { stdout } = await lab.kubectl([`--namespace=${RELEASE_NAMESPACE}`, "get", workload, `--output=${shown}`]);
  const [strategy, wanted] = stdout.split(" ");
  if (strategy !== "OnDelete") return ["rollout", "status"];
  return ["wait", `--for=jsonpath={.status.numberAvailable}=${wanted}`];
}
