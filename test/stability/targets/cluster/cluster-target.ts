// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";
import { z } from "zod";
import { until } from "../../../../hack/lab/wait.ts";
import type { KubeConnection } from "../../../../src/kube/connect.ts";
import type { Kube } from "../../../../src/kube/kube.ts";
import { PODS } from "../../../../src/kube/resources.ts";
import type { Inventory } from "../../../e2e/testing/inventory.ts";
import { StabilityError, textOf } from "../../errors.ts";
import type { UndoStep } from "../../run/undo-step.ts";
import { CLUSTER_PARTS, type ClusterPart } from "../parts.ts";
import { isProcessOf, type PodPart, runsInPod } from "../pod-parts.ts";
import { podProber } from "../pod-prober.ts";
import { inRole } from "../roles.ts";
import type { Capability, PodPlace, ProcessHandle, RequestProber, Target } from "../target.ts";
import { Agents } from "./agents.ts";
import { answering } from "./answering.ts";
import { clusterInventory } from "./cluster-inventory.ts";
import { FOUND, LIST, SIGNAL } from "./node-scripts.ts";

/** The label `app` of the pods in which each part runs. */
const APP: Readonly<Record<PodPart, string>> = {
  daemon: "kube-ovn-cni",
  controller: "kube-ovn-controller",
  speaker: "kube-ovn-speaker",
  bird: "kube-ovn-speaker",
  "ovn-controller": "ovs",
  vswitchd: "ovs",
  "ovsdb-server": "ovs",
  northd: "ovn-central",
  nb: "ovn-central",
  sb: "ovn-central",
};
const SPEC = z.object({ nodeName: z.string().optional() });
/** Interval of checks whether a process runs again. */
const LOOK_MS = 500;

/** Why privileged pods on the nodes do not support a need; undefined if they do. */
export function lacks(need: Capability): string | undefined {
  if (need === "node-crash") return "a pod on a node has no power over it";
  if (need === "partition") return "a node that is cut off cannot be told to end it; use the fault command";
  if (!need.startsWith("signal:") || runsInPod(need.slice("signal:".length))) return undefined;
  return "commands to nodes go by the API server, kubelet and containerd, and the other parts of Kubernetes are not ours to find";
}

/** Options of a target by kubeconfig. */
export interface ClusterTargetOptions {
  readonly connection: KubeConnection;
  readonly nodes: readonly string[];
  readonly image: string;
  /** kubectl with its options. */
  readonly kubectl: readonly [string, ...string[]];
}

/** A cluster by its API, and its nodes by privileged pods (`Agents`), which are created when they are first needed. */
export class ClusterTarget implements Target {
  readonly name: string;
  readonly nodes: readonly string[];
  readonly image: string;
  readonly kube: Kube;
  readonly #access: ClusterTargetOptions;
  #agents: Promise<Agents> | undefined;
  /** For each affected process, by its handle, the processes of its part before. */
  readonly #former = new Map<string, ReadonlySet<string>>();

  constructor(access: ClusterTargetOptions) {
    const { connection, nodes, image } = access;
    this.name = `kubeconfig ${connection.server}`;
    this.nodes = nodes;
    this.image = image;
    this.kube = connection.kube;
    this.#access = access;
  }

  lacks(need: Capability): string | undefined {
    return lacks(need);
  }

  alive(): Promise<void> {
    return answering(this.kube);
  }

  #open(): Promise<Agents> {
    const { nodes, kubectl } = this.#access;
    this.#agents ??= Agents.open(this.kube, nodes, kubectl).catch((error: unknown) => {
      throw new StabilityError("unsupported", `no privileged pods on the nodes: ${textOf(error)}`, { cause: error });
    });
    return this.#agents;
  }

  async #node(node: string, script: string, ...args: readonly string[]): Promise<string> {
    return (await this.#open()).run(node, ["node", "-e", script, ...args]);
  }

  async #list(node: string, uids: readonly string[]): Promise<z.output<typeof FOUND>> {
    return uids.length === 0 ? [] : FOUND.parse(JSON.parse(await this.#node(node, LIST, ...uids)));
  }

  async #running(part: PodPart): Promise<readonly (ProcessHandle & { readonly podName: string })[]> {
    const { items } = await this.kube.list(PODS, { namespace: "kube-system", labelSelector: `app=${APP[part]}` });
    const found = await Promise.all(
      this.nodes.map(async (node) => {
        const pods = items.filter(({ spec }) => SPEC.parse(spec).nodeName === node);
        const names = new Map(pods.map(({ metadata }) => [metadata.uid, metadata.name]));
        const processes = await this.#list(node, [...names.keys()]);
        return processes
          .filter(({ args: [program = "", ...args] }) => isProcessOf(part, program, args))
          .map(({ pid, started, uid }) => ({ part, node, id: `${pid}.${started}`, podName: names.get(uid) ?? "" }));
      }),
    );
    return found.flat();
  }

  async processes({ name, role }: ClusterPart): Promise<readonly ProcessHandle[]> {
    const wanted: ProcessHandle[] = [];
    if (!runsInPod(name)) return wanted;
    for (const { podName, ...process } of await this.#running(name)) {
      const appctl = (args: readonly string[]): Promise<string> =>
        this.beside(process, ["ovn-appctl", "--timeout=5", ...args]).catch(() => "");
      if (role === undefined || (await inRole(this.kube, name, role, { podName, appctl }))) wanted.push(process);
    }
    return wanted;
  }

  async signal(process: ProcessHandle, name: "SIGKILL" | "SIGTERM" | "SIGSTOP" | "SIGCONT"): Promise<boolean> {
    const { part, node, id } = process;
    if (name !== "SIGCONT" && runsInPod(part))
      this.#former.set(id, new Set((await this.#running(part)).map((one) => one.id)));
    return (await this.#node(node, SIGNAL, ...id.split("."), name)).trim() === "true";
  }

  async back(former: ProcessHandle, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const { part, node, id } = former;
    if (!runsInPod(part)) return;
    const known = this.#former.get(id) ?? new Set([id]);
    const isBack = async (): Promise<boolean> =>
      signal?.aborted === true ||
      (await this.#running(part)).some(
        (one) => !known.has(one.id) && (!CLUSTER_PARTS[part].perNode || one.node === node),
      );
    await until(`${part} on ${node} runs again`, timeoutMs, isBack, LOOK_MS).catch((error: unknown) => {
      throw new StabilityError("fault", `${part} on ${node} did not come back: ${textOf(error)}`, { cause: error });
    });
  }

  prober(pod: PodPlace): Promise<RequestProber> {
    const worker = readFileSync(new URL("../probe-worker.ts", import.meta.url), "utf8");
    return podProber(async () => {
      const [first] = await this.#list(pod.node, [pod.uid]);
      if (first === undefined) throw new StabilityError("scenario", `pod ${pod.name} has no process on ${pod.node}`);
      const program = ["node", "--input-type=module-typescript", "-e", worker];
      return (await this.#open()).command(pod.node, ["nsenter", `--net=/proc/${first.pid}/ns/net`, ...program]);
    });
  }

  async command(node: string, command: readonly string[]): Promise<string> {
    return (await this.#open()).run(node, command);
  }

  async beside({ node, id }: ProcessHandle, command: readonly string[]): Promise<string> {
    const [pid] = id.split(".");
    return this.command(node, ["nsenter", `--target=${pid}`, "--mount", "--net", "--pid", "--", ...command]);
  }

  crash(): Promise<void> {
    return Promise.reject(refused("node-crash"));
  }

  boot(): Promise<void> {
    return Promise.reject(refused("node-crash"));
  }

  cut(): Promise<void> {
    return Promise.reject(refused("partition"));
  }

  async heal(): Promise<void> {}

  inventory(): Promise<Inventory> {
    return clusterInventory(this);
  }

  async converge(timeoutMs: number): Promise<void> {
    const [nb] = await this.processes({ name: "nb" });
    if (nb === undefined) throw new StabilityError("verify", "no northbound database runs");
    await this.beside(nb, [
      "ovn-nbctl",
      "--no-leader-only",
      `--timeout=${Math.ceil(timeoutMs / 1000)}`,
      "--no-leader-only",
      "--wait=hv",
      "sync",
    ]);
  }

  async undo(step: Extract<UndoStep, { by: "target" }>): Promise<void> {
    if (step.kind === "resume") for (const process of step.processes) await this.signal(process, "SIGCONT");
    if (step.kind === "command") await this.command(step.node, step.command);
  }

  async close(): Promise<void> {
    try {
      const open = await this.#agents?.catch(() => undefined);
      if (open !== undefined || (await Agents.left(this.kube))) await (open ?? (await this.#open())).close();
    } finally {
      this.#access.connection.close();
    }
  }
}

function refused(need: Capability): StabilityError {
  return new StabilityError("unsupported", `target kubeconfig: ${lacks(need)}`);
}
