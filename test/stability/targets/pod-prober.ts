// SPDX-License-Identifier: Apache-2.0

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { z } from "zod";
import { StabilityError, textOf } from "../errors.ts";
import type { Reply, Request, RequestProber } from "./target.ts";

const ANSWER = z.object({
  id: z.int(),
  reply: z.object({ ok: z.boolean(), ms: z.number(), detail: z.string().optional() }),
});
/** Additional time beyond the timeout of a request to wait for the program's reply, in ms. */
const PATIENCE_MS = 5_000;
/** Pause before a program that ended, with its node, is started again. */
const RESTART_MS = 500;
const START_MS = 30_000;

/**
 * Starts the program `probe-worker.ts` in a pod's network by a command, which is determined each time, and again when it ends: the crash of a node ends
 * its processes.
 */
export async function podProber(command: () => Promise<readonly [string, ...string[]]>): Promise<RequestProber> {
  const prober = new PodProber(command);
  await prober.start();
  return prober;
}

class PodProber implements RequestProber {
  readonly #command: () => Promise<readonly [string, ...string[]]>;
  #child: ChildProcess | undefined;
  #starting = false;
  #stopped = false;
  #failedAt = 0;
  #serial = 0;
  readonly #waiting = new Map<number, (reply: Reply) => void>();

  constructor(command: () => Promise<readonly [string, ...string[]]>) {
    this.#command = command;
  }

  async start(): Promise<void> {
    this.#starting = true;
    try {
      await this.#start();
    } catch (error) {
      this.#failedAt = performance.now();
      throw new StabilityError("scenario", `cannot start a program in the pod: ${textOf(error)}`, { cause: error });
    } finally {
      this.#starting = false;
    }
  }

  async #start(): Promise<void> {
    const [program, ...args] = await this.#command();
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "ignore"] });
    child.stdin.on("error", () => {});
    const ready = Promise.withResolvers<void>();
    const timer = setTimeout(() => child.kill("SIGKILL"), START_MS);
    child.once("error", ready.reject);
    child.once("exit", (code) => {
      ready.reject(new Error(`it ended at once (exit code ${code})`));
      if (this.#child === child) this.#child = undefined;
      for (const [id, resolve] of this.#waiting) {
        this.#waiting.delete(id);
        resolve({ ok: false, ms: 0, detail: "the program in the pod ended" });
      }
    });
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (line === "ready") return ready.resolve();
      const { id, reply } = ANSWER.parse(JSON.parse(line));
      const { ok, ms, detail } = reply;
      this.#waiting.get(id)?.(detail === undefined ? { ok, ms } : { ok, ms, detail });
      this.#waiting.delete(id);
    });
    await ready.promise.finally(() => clearTimeout(timer));
    if (this.#stopped) child.kill("SIGKILL");
    else this.#child = child;
  }

  async send(request: Request): Promise<Reply> {
    const child = this.#child;
    if (child === undefined) {
      if (!this.#starting && !this.#stopped && performance.now() > this.#failedAt + RESTART_MS)
        await this.start().catch(() => undefined);
      if (this.#child === undefined) return { ok: false, ms: 0, detail: "the program in the pod ended" };
      return this.send(request);
    }
    const id = ++this.#serial;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        resolve({ ok: false, ms: request.timeoutMs + PATIENCE_MS, detail: "the program in the pod does not answer" });
      }, request.timeoutMs + PATIENCE_MS);
      this.#waiting.set(id, (reply) => {
        clearTimeout(timer);
        resolve(reply);
      });
      child.stdin?.write(`${JSON.stringify({ id, request })}\n`);
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.stdin?.end();
    const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
    await ended.finally(() => clearTimeout(timer));
  }
}
