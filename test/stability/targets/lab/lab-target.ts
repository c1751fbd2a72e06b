// SPDX-License-Identifier: Apache-2.0

import { fileURLToPath } from "node:url";
import { run } from "../../../../hack/host/run.ts";
import { AGNHOST_IMAGE } from "../../../../hack/lab/images.ts";
import { type Lab, openLab } from "../../../../hack/lab/lab.ts";
import { findPart, partId } from "../../../../hack/lab/part.ts";
import { killOne, type ProcessId, signal, stateOf } from "../../../../hack/lab/process.ts";
import { CONTROL, FABRIC, linksOf } from "../../../../hack/lab/topology.ts";
import { until } from "../../../../hack/lab/wait.ts";
import { podNetns } from "../../../../hack/traffic/pods.ts";
import { connectKube, type KubeConnection } from "../../../../src/kube/connect.ts";
import type { Kube } from "../../../../src/kube/kube.ts";
import type { Inventory } from "../../../e2e/testing/inventory.ts";
import { whyNoLab } from "../../../e2e/testing/world.ts";
import { StabilityError, textOf } from "../../errors.ts";
import type { UndoStep } from "../../run/undo-step.ts";
import { CLUSTER_PARTS, type ClusterPart, type PartName } from "../parts.ts";
import { runsInPod } from "../pod-parts.ts";
import { podProber } from "../pod-prober.ts";
import { inRole, type RoleSource } from "../roles.ts";
import type { Capability, PodPlace, ProcessHandle, RequestProber, Target } from "../target.ts";
import { labInventory } from "./lab-inventory.ts";
import { podNameOf, podProcesses } from "./lab-processes.ts";

const WORKER = fileURLToPath(new URL("../probe-worker.ts", import.meta.url));
const TABLE = "bridge weft-stability";
/** Interval of checks whether a process runs again: kubelet and the entry points' supervision report no event. */
const LOOK_MS = 100;

/** Opens the lab of this checkout. Rejects with StabilityError `unsupported` where none is up that can be used. */
export async function openLabTarget(): Promise<Target> {
  const why = whyNoLab();
  if (why !== false) throw new StabilityError("unsupported", `target lab: ${why}`);
  const lab = openLab();
  return new LabTarget(lab, await connectKube({ userAgent: "weft-stability", kubeconfig: lab.paths.kubeconfig }));
}

class LabTarget implements Target {
  readonly name = "lab";
  readonly image = AGNHOST_IMAGE;
  readonly kube: Kube;
  readonly #lab: Lab;
  readonly #connection: KubeConnection;
  /** For each affected process, by its handle, the processes of its part before, to distinguish a new one. */
  readonly #former = new Map<string, ReadonlySet<string>>();
  #cuts: readonly (readonly [from: string, to: string])[] = [];

  constructor(lab: Lab, connection: KubeConnection) {
    this.#lab = lab;
    this.#connection = connection;
    this.kube = connection.kube;
  }

  get nodes(): readonly string[] {
    return this.#lab.nodes;
  }

  lacks(need: Capability): string | undefined {
    if (need !== "clock") return undefined;
    return "its nodes have the clock of this machine: time namespaces (time_namespaces(7)) have no realtime clock of their own";
  }

  async alive(): Promise<void> {
    try {
      stateOf({ pid: this.#lab.node(CONTROL).pid, started: "" });
    } catch (error) {
      throw new StabilityError("target-lost", `the lab is gone: ${textOf(error)}`, { cause: error });
    }
  }

  prober(pod: PodPlace): Promise<RequestProber> {
    return podProber(async () => ["nsenter", `--net=${podNetns(pod.uid)}`, process.execPath, WORKER]);
  }

  async processes(part: ClusterPart): Promise<readonly ProcessHandle[]> {
    const found = this.#running(part.name);
    const { role } = part;
    const wanted: ProcessHandle[] = [];
    for (const process of found)
      if (role === undefined || (await inRole(this.kube, part.name, role, roleSource(process)))) wanted.push(process);
    return wanted;
  }

  #running(part: PartName): readonly ProcessHandle[] {
    const { paths } = this.#lab;
    if (runsInPod(part))
      return podProcesses(paths.cgroup, part)
        .map(({ id, node }) => ({ part, node, id: handleOf(id) }))
        .sort((a, b) => (a.node < b.node ? -1 : 1));
    return (CLUSTER_PARTS[part].perNode ? this.nodes : [CONTROL]).flatMap((node) => {
      const id = findPart(paths, { space: node, name: part });
      return id === undefined || stateOf(id) === "dead" ? [] : [{ part, node, id: handleOf(id) }];
    });
  }

  async signal(process: ProcessHandle, name: "SIGKILL" | "SIGTERM" | "SIGSTOP" | "SIGCONT"): Promise<boolean> {
    const id = processOf(process);
    if (stateOf(id) === "dead") return false;
    if (name !== "SIGCONT") this.#former.set(process.id, new Set(this.#running(process.part).map((one) => one.id)));
    if (name !== "SIGKILL") return signal(id, name);
    await killOne(id);
    return true;
  }

  async back(former: ProcessHandle, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const { part, node } = former;
    const what = `${part} on ${node}`;
    try {
      if (!runsInPod(part)) return await this.#lab.start(partId(node, part));
      const known = this.#former.get(former.id) ?? new Set([former.id]);
      await until(
        `${what} runs again`,
        timeoutMs,
        async () => {
          if (signal?.aborted) return true;
          await this.alive();
          return this.#running(part).some(
            (one) => !known.has(one.id) && (!CLUSTER_PARTS[part].perNode || one.node === node),
          );
        },
        LOOK_MS,
      );
    } catch (error) {
      if (error instanceof StabilityError) throw error;
      throw new StabilityError("fault", `${what} did not come back: ${textOf(error)}`, { cause: error });
    }
  }

  async command(node: string, command: readonly string[]): Promise<string> {
    return (await this.#lab.node(node).exec(command, { timeoutMs: 60_000 })).stdout;
  }

  async beside(process: ProcessHandle, command: readonly string[]): Promise<string> {
    const at = [`--target=${processOf(process).pid}`, "--mount", "--net", "--pid", "--"];
    return (await run("nsenter", [...at, ...command], { timeoutMs: 60_000 })).stdout;
  }

  crash(node: string): Promise<void> {
    return this.#lab.kill(node);
  }

  async boot(_node: string): Promise<void> {
    await this.#lab.up();
  }

  async cut(from: string, to: string): Promise<void> {
    this.#cuts = [...this.#cuts, [from, to]];
    await this.#applyCuts();
  }

  async heal(): Promise<void> {
    this.#cuts = [];
    await this.#applyCuts();
  }

  /** Rules in the fabric, through which packets of both networks pass: a node's own rules do not see packets that Open vSwitch takes. */
  async #applyCuts(): Promise<void> {
    const space = (name: string): string => (name === "control-plane" ? CONTROL : name);
    const drops = this.#cuts.flatMap(([from, to]) =>
      linksOf(space(from)).flatMap((one) =>
        linksOf(space(to))
          .filter(({ bridge }) => bridge === one.bridge)
          .map((other) => `iifname "${one.port}" oifname "${other.port}" drop`),
      ),
    );
    const table = `table ${TABLE} {
      chain forward { type filter hook forward priority 0; policy accept; ${drops.join("; ")}; }
    }`;
    const input = `table ${TABLE} {}\ndelete table ${TABLE}\n${drops.length === 0 ? "" : `${table}\n`}`;
    await this.#lab.node(FABRIC).exec(["nft", "-f", "-"], { input });
  }

  inventory(): Promise<Inventory> {
    return labInventory(this.#lab);
  }

  async converge(timeoutMs: number): Promise<void> {
    const [nb] = this.#running("nb");
    if (nb === undefined) throw new StabilityError("verify", "no northbound database runs");
    // Any member of several can be asked: a follower has the leader do it.
    const sync = ["ovn-nbctl", "--no-leader-only", `--timeout=${Math.ceil(timeoutMs / 1000)}`, "--wait=hv", "sync"];
    await this.beside(nb, sync);
  }

  async undo(step: Extract<UndoStep, { by: "target" }>): Promise<void> {
    await this.alive();
    switch (step.kind) {
      case "resume":
        for (const process of step.processes) await this.signal(process, "SIGCONT");
        return;
      case "start":
        if (!runsInPod(step.process.part)) await this.#lab.start(partId(step.process.node, step.process.part));
        return;
      case "boot":
        return this.boot(step.node);
      case "heal":
        return this.heal();
      case "command":
        await this.command(step.node, step.command);
    }
  }

  async close(): Promise<void> {
    this.#connection.close();
  }
}

function handleOf({ pid, started }: ProcessId): string {
  return `${pid}.${started}`;
}

function processOf({ id }: ProcessHandle): ProcessId {
  const [pid, started = ""] = id.split(".");
  return { pid: Number(pid), started };
}

function roleSource(process: ProcessHandle): RoleSource {
  const id = processOf(process);
  return {
    podName: podNameOf(id),
    async appctl(args) {
      // In its PID namespace: a pid file names a process of that one.
      const inside = [`--target=${id.pid}`, "--mount", "--net", "--pid", "--"];
      const command = [...inside, "ovn-appctl", "--timeout=5", ...args];
      const { code, stdout } = await run("nsenter", command, { allowFailure: true, timeoutMs: 10_000 });
      return code === 0 ? stdout : "";
    },
  };
}
