// SPDX-License-Identifier: Apache-2.0

import { type FakeKube, fakeKube } from "../../../src/kube/testing/fake.ts";
import type { ManualClock } from "../../../src/time/testing/manual-clock.ts";
import type { Inventory } from "../../e2e/testing/inventory.ts";
import { StabilityError } from "../errors.ts";
import { pauseOrAbort } from "../run/pause.ts";
import { CLUSTER_PARTS, type ClusterPart, type PartName } from "../targets/parts.ts";
import type { Capability, ProcessHandle, Reply, Request, RequestProber, Target } from "../targets/target.ts";
import { fakeCluster } from "./fake-cluster.ts";

/** A cluster of two nodes in memory. Parts that are killed come back by themselves after two seconds; one request takes 1 ms. */
export class FakeTarget implements Target {
  readonly name = "fake";
  readonly nodes: readonly string[] = ["n1", "n2"];
  /** Its kubelets act without delay; tests put objects into `fake` directly. */
  readonly kube: FakeKube;
  readonly fake: FakeKube;
  readonly image = "fake/agnhost:1";
  /** The unsupported capabilities, and why. */
  readonly cannot = new Map<Capability, string>();
  /** The recorded actions on it: `SIGKILL daemon/n1`. */
  readonly done: string[] = [];
  /** Whether requests of pods get an answer now. */
  answers = (_request: Request): boolean => true;
  /** The output of commands in containers. */
  says = "";
  /** The log of each node's ovs-vswitchd. To read it is not an action. */
  switchLog = "";
  /** How long a killed part is down. */
  backAfterMs = 2_000;
  /** The inventory, which tests change. */
  things: Record<string, readonly string[]> = {};
  #dead = false;
  #serial = 0;
  readonly #clock: ManualClock;
  /** `PART/NODE` → the process, and until when it is down. */
  readonly #processes = new Map<string, { id: string; awayUntil: number; stopped: boolean }>();

  constructor(clock: ManualClock) {
    this.#clock = clock;
    this.fake = fakeKube({ clock });
    this.kube = fakeCluster(this.fake);
    for (const [name, { perNode }] of Object.entries(CLUSTER_PARTS))
      for (const node of perNode ? this.nodes : ["n1"])
        this.#processes.set(`${name}/${node}`, { id: `${this.#serial++}`, awayUntil: 0, stopped: false });
  }

  /** From now on the target is lost. */
  die(): void {
    this.#dead = true;
  }

  /** Whether a part runs on a node, neither killed nor stopped. */
  runs(part: PartName, node: string): boolean {
    const process = this.#processes.get(`${part}/${node}`);
    return process !== undefined && !process.stopped && this.#clock.now() >= process.awayUntil;
  }

  lacks(need: Capability): string | undefined {
    return this.cannot.get(need);
  }

  async alive(): Promise<void> {
    if (this.#dead) throw new StabilityError("target-lost", "the fake cluster is gone");
  }

  async prober(): Promise<RequestProber> {
    const reply = async (request: Request): Promise<Reply> => {
      await new Promise<void>((resolve) => void this.#clock.after(1, resolve));
      return this.answers(request) ? { ok: true, ms: 1 } : { ok: false, ms: 1, detail: "no answer" };
    };
    return { send: reply, stop: async () => void this.done.push("prober stopped") };
  }

  async processes({ name }: ClusterPart): Promise<readonly ProcessHandle[]> {
    return this.nodes.flatMap((node) => {
      const process = this.#processes.get(`${name}/${node}`);
      return process === undefined || !this.runs(name, node) ? [] : [{ part: name, node, id: process.id }];
    });
  }

  async signal({ part, node, id }: ProcessHandle, signal: string): Promise<boolean> {
    const process = this.#processes.get(`${part}/${node}`);
    if (process === undefined || process.id !== id) return false;
    this.done.push(`${signal} ${part}/${node}`);
    if (signal === "SIGSTOP") process.stopped = true;
    else if (signal === "SIGCONT") process.stopped = false;
    else {
      process.id = `${this.#serial++}`;
      process.stopped = false;
      process.awayUntil = this.#clock.now() + this.backAfterMs;
    }
    return true;
  }

  async back({ part, node, id }: ProcessHandle, _timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const process = this.#processes.get(`${part}/${node}`);
    if (process === undefined || process.id === id) return;
    await pauseOrAbort(this.#clock, process.awayUntil - this.#clock.now(), signal);
  }

  async command(node: string, command: readonly string[]): Promise<string> {
    this.done.push(`${node}: ${command.join(" ")}`);
    return "";
  }

  async beside({ part, node }: ProcessHandle, command: readonly string[]): Promise<string> {
    if (part === "vswitchd") return this.switchLog;
    this.done.push(`beside ${part}/${node}: ${command.join(" ")}`);
    return this.says;
  }

  async crash(node: string): Promise<void> {
    this.done.push(`crash ${node}`);
  }

  async boot(node: string): Promise<void> {
    this.done.push(`boot ${node}`);
  }

  async cut(from: string, to: string): Promise<void> {
    this.done.push(`cut ${from} ${to}`);
  }

  async heal(): Promise<void> {
    this.done.push("heal");
  }

  async inventory(): Promise<Inventory> {
    return this.things;
  }

  async converge(): Promise<void> {}

  async undo(step: Parameters<Target["undo"]>[0]): Promise<void> {
    await this.alive();
    if (step.kind === "resume") await Promise.all(step.processes.map((one) => this.signal(one, "SIGCONT")));
    if (step.kind === "boot") await this.boot(step.node);
    if (step.kind === "heal") await this.heal();
    if (step.kind === "command") await this.command(step.node, step.command);
    if (step.kind === "start") this.done.push(`start ${step.process.part}/${step.process.node}`);
  }

  async close(): Promise<void> {
    this.done.push("closed");
  }
}
