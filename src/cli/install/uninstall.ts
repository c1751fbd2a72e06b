// SPDX-License-Identifier: Apache-2.0

import type { Kube } from "../../kube/kube.ts";
import { listEach } from "../../kube/pages.ts";
import { NODES } from "../../kube/resources.ts";
import { type NodeResult, type NodeTask, withNodePods } from "../node-pods.ts";
import { type Deployed, readDeployed } from "./deployed.ts";
import { InstallError } from "./error.ts";
import type { Helm } from "./helm-run.ts";
import { networkUsers } from "./network-users.ts";
import { removeProbers } from "./probers.ts";
import {
  cleanNodeObjects,
  deleteCertificates,
  deleteCrds,
  type OurKind,
  ourKinds,
  removeFinalizers,
} from "./traces.ts";

/** Choices of {@link uninstall}. */
export interface UninstallOptions {
  readonly namespace: string;
  readonly release: string;
  /** Also while pods use the network. */
  readonly force: boolean;
  /** Delete the CRDs, and with them every Subnet, Vpc, IP … */
  readonly crds: boolean;
  /** For the nodes' cleanup if Weft's workloads are already deleted. */
  readonly image: string | undefined;
  readonly timeoutMs: number;
}

/** Dependencies of {@link uninstall}. */
export interface UninstallParts {
  readonly kube: Kube;
  /** Located only when needed. */
  helm(): Promise<Helm>;
  confirm(question: string): Promise<boolean>;
  say(line: string): void;
  /** Ends the removal; pods that were started for it are still removed. */
  readonly signal: AbortSignal;
}

/** The result, as data. */
export interface Uninstalled {
  readonly nodes: readonly {
    readonly name: string;
    readonly removed: readonly string[];
    readonly kept: readonly string[];
    readonly failed: readonly string[];
  }[];
  readonly crds: readonly string[];
}

/** The number of pods that are listed. */
const NAMED = 10;

/**
 * Removes Weft from the cluster: the release; then on each node the remains of the daemon, Open vSwitch and OVN; then
 * Weft's finalizers, annotations and conditions, and the CRDs if requested. It can be repeated. Rejects with
 * InstallError `refused` (nothing was changed) or as helm and the API do; the result contains what could not be
 * removed from a node.
 */
export async function uninstall(parts: UninstallParts, options: UninstallOptions): Promise<Uninstalled> {
  const { kube, say, signal } = parts;
  const { namespace, release, image } = options;
  const [deployed, users, kinds] = await Promise.all([
    readDeployed(kube, namespace),
    networkUsers(kube, namespace),
    ourKinds(kube, release),
  ]);
  const cleanup = deployed ?? (image === undefined ? undefined : leftBehind(image));
  if (cleanup === undefined) {
    throw new InstallError(
      "refused",
      `Weft is not installed in ${namespace}. To clean the nodes after a removal by other means, pass --image with the image that was installed`,
    );
  }
  if (users.length > 0 && !options.force) throw new InstallError("refused", inUse(users));
  for (const line of losses(users, kinds, options.crds)) say(line);
  if (!(await parts.confirm("Remove Weft from this cluster?")))
    throw new InstallError("refused", "nothing was changed");

  if (!(await removeProbers(kube, namespace, options.timeoutMs, signal)))
    say("some probers have not ended; their pods are deleted with the release");
  say("removing the release");
  const helm = await parts.helm();
  signal.throwIfAborted();
  if (!(await helm.uninstall(Math.ceil(options.timeoutMs / 1000)))) {
    say("some pods have not ended, as on a node that does not answer; the nodes are cleaned as far as possible");
  }
  const nodes: string[] = [];
  for await (const { metadata } of listEach(kube, NODES)) nodes.push(metadata.name);
  say(`cleaning ${nodes.length} nodes`);
  const task = cleanupTask(cleanup, namespace, options.timeoutMs);
  const results = await withNodePods(kube, nodes, task, signal, (running) => running.results());
  await removeFinalizers(kube, kinds);
  await cleanNodeObjects(kube);
  await deleteCertificates(kube, namespace);
  const crds = options.crds ? await deleteCrds(kube, kinds) : [];
  return { nodes: [...results].map(([name, result]) => ({ name, ...removalOf(result) })), crds };
}

function inUse(users: readonly string[]): string {
  const more = users.length > NAMED ? ` and ${users.length - NAMED} more` : "";
  return `${users.length} pods use the network: ${users.slice(0, NAMED).join(", ")}${more}. Delete them, or pass --force: they lose their network at once`;
}

/** The consequences, for the confirmation. */
function losses(users: readonly string[], kinds: readonly OurKind[], crds: boolean): readonly string[] {
  const objects = kinds
    .filter(({ count }) => count > 0)
    .map(({ type, count }) => `${count} ${type.plural}`)
    .join(", ");
  return [
    ...(users.length > 0 ? [`${users.length} pods lose their network: ${users.slice(0, NAMED).join(", ")}`] : []),
    "OVN's databases and the nodes' Open vSwitch databases are deleted",
    ...(objects === ""
      ? []
      : [crds ? `deleted: ${objects}` : `kept, and used again by the next installation: ${objects}`]),
  ];
}

/** Weft's default paths, if no workload has others. */
function leftBehind(image: string): Deployed {
  return {
    image,
    pullPolicy: "IfNotPresent",
    pullSecrets: [],
    version: "unknown",
    cniConfDir: "/etc/cni/net.d",
    cniBinDir: "/opt/cni/bin",
    cniConfName: "01-kube-ovn.conflist",
    dataPath: "/etc/origin/ovn",
  };
}

function cleanupTask(deployed: Deployed, namespace: string, timeoutMs: number): NodeTask {
  const { image, pullPolicy, pullSecrets, cniConfDir, cniConfName, cniBinDir, dataPath } = deployed;
  return {
    name: "weft-cleanup",
    namespace,
    image,
    pullPolicy,
    pullSecrets,
    command: [
      ...["node", "/opt/weft/lib/weft-daemon.mjs", "cleanup", "--root=/host", "--message=/dev/termination-log"],
      ...[`--cni-conf-dir=${cniConfDir}`, `--cni-conf-name=${cniConfName}`, `--cni-bin-dir=${cniBinDir}`],
      `--data-path=${dataPath}`,
    ],
    pod: {
      // It checks whether Open vSwitch's daemons have ended.
      hostPID: true,
      volumes: [{ name: "host", hostPath: { path: "/", type: "Directory" } }],
    },
    container: { securityContext: { privileged: true }, volumeMounts: [{ name: "host", mountPath: "/host" }] },
    timeoutMs,
  };
}

function removalOf(result: NodeResult): Omit<Uninstalled["nodes"][number], "name"> {
  if (!result.ended) return { removed: [], kept: [], failed: [result.why] };
  try {
    const { removed, kept, failed } = JSON.parse(result.message) as Readonly<Record<string, unknown>>;
    return { removed: texts(removed), kept: texts(kept), failed: texts(failed) };
  } catch {
    return { removed: [], kept: [], failed: [`exit code ${result.exitCode}: ${result.message || "no message"}`] };
  }
}

function texts(list: unknown): readonly string[] {
  return Array.isArray(list) ? list.map(String) : [];
}
