// SPDX-License-Identifier: Apache-2.0

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Lab } from "../lab/lab.ts";
import { type Build, withBuild } from "./builds.ts";
import { insideDaemon } from "./inside-daemon.ts";
import { processCpuMs } from "./process-cpu.ts";

/** What a process has used so far, from /proc: CPU in ms (user and system, in steps of 10), memory in MiB. */
export interface ProcessUse {
  readonly cpuMs: number;
  readonly residentMiB: number;
  /** The peak of resident memory. */
  readonly peakMiB: number;
}

/** How a controller is started. */
export interface ControllerOptions {
  readonly build: Build;
  readonly node: string;
  /** Counts the controllers of a run. */
  readonly index: number;
  /** The arguments of the Deployment's container. */
  readonly args: readonly string[];
  /** A kubeconfig with the controller's own ServiceAccount, as a path on the node. */
  readonly kubeconfig: string;
  /** For Node.js itself, such as `--cpu-prof`. */
  readonly nodeOptions?: string;
}

/**
 * A controller as in the image, without a kubelet: a process with the file system and the environment of the node's
 * daemon, but the controller of a build, and the arguments of the Deployment. So it can be started, measured and
 * killed while the kubelets are paused.
 */
export class ControllerProcess {
  readonly node: string;
  readonly index: number;
  readonly build: Build;
  readonly started = performance.now();
  readonly #lab: Lab;
  readonly #child: ChildProcess;
  /** Message of the log → milliseconds since the start when it first came. */
  readonly #said = new Map<string, number>();
  readonly #waiting = new Map<string, PromiseWithResolvers<number>>();
  readonly #log: string[] = [];

  private constructor(lab: Lab, { node, index, build }: ControllerOptions, child: ChildProcess) {
    this.#lab = lab;
    this.node = node;
    this.index = index;
    this.build = build;
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface(stream).on("line", (line) => this.#hear(line));
    }
    child.once("exit", () => {
      for (const [message, waiting] of this.#waiting) {
        waiting.reject(new Error(`a controller ended before it said "${message}":\n${this.#log.slice(-8).join("\n")}`));
      }
    });
  }

  /** Starts one. It serves after the message in `said`. */
  static start(lab: Lab, options: ControllerOptions): ControllerProcess {
    const { node, index, build, args, kubeconfig, nodeOptions } = options;
    const { command, environment } = insideDaemon(lab, node);
    const start = [
      "/opt/weft/bin/start-controller",
      ...args,
      `--metrics-port=${metricsPort(index)}`,
      "--health-port=0",
    ];
    const child = spawn("nsenter", [...command, ...withBuild(build, start)], {
      env: {
        ...environment,
        KUBECONFIG: kubeconfig,
        POD_NAME: `bench-${index}`,
        ...(nodeOptions === undefined ? {} : { NODE_OPTIONS: nodeOptions }),
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    return new ControllerProcess(lab, options, child);
  }

  /** When (ms since the start) its log first said `message`; waits for it. Rejects when the process ends or after two minutes. */
  async said(message: string): Promise<number> {
    const at = this.#said.get(message);
    if (at !== undefined) return at;
    let waiting = this.#waiting.get(message);
    if (waiting === undefined) {
      waiting = Promise.withResolvers();
      this.#waiting.set(message, waiting);
    }
    const timer = setTimeout(
      () => waiting.reject(new Error(`no "${message}" for two minutes:\n${this.#log.slice(-8).join("\n")}`)),
      120_000,
    );
    try {
      return await waiting.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** What it has used so far. */
  use(): ProcessUse {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, "latin1");
    const mebibytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]) / 1024;
    const cpuMs = processCpuMs(this.#child.pid);
    return { cpuMs, residentMiB: mebibytes("VmRSS"), peakMiB: mebibytes("VmHWM") };
  }

  /** Its metrics without labels. */
  async metrics(): Promise<ReadonlyMap<string, number>> {
    const url = `http://127.0.0.1:${metricsPort(this.index)}/metrics`;
    const { stdout } = await this.#lab.node(this.node).exec(["curl", "-sS", "--max-time", "10", url]);
    const values = stdout.matchAll(/^(\w+) (\S+)$/gm);
    return new Map([...values].map(([, name = "", value]) => [name, Number(value)]));
  }

  /** SIGKILL, or another signal; returns when the process is gone. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill(signal);
    await gone;
  }

  #hear(line: string): void {
    this.#log.push(line);
    if (this.#log.length > 100) this.#log.shift();
    let text: unknown;
    try {
      text = (JSON.parse(line) as { msg?: unknown }).msg;
    } catch {
      return; // Not of the log: bash or Node.js itself.
    }
    if (typeof text !== "string") return;
    const message = EARLIER.get(text) ?? text;
    if (this.#said.has(message)) return;
    const at = performance.now() - this.started;
    this.#said.set(message, at);
    this.#waiting.get(message)?.resolve(at);
    this.#waiting.delete(message);
  }
}

/** Messages of builds before those of `SAID` (controllers.ts) → these. */
const EARLIER: ReadonlyMap<string, string> = new Map([
  ["everything is read", "initial state read"],
  ["this process leads", "started leading"],
  ["everything is compiled and in the database", "all units are compiled and committed"],
]);

/** Each has a port of its own: two of them may run on one node. */
function metricsPort(index: number): number {
  return 10_670 + (index % 64);
}
