// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** One connection to try. */
export interface Attempt {
  readonly address: string;
  readonly port: number;
  readonly protocol: "TCP" | "UDP";
  /** Timeout for an answer, in milliseconds. */
  readonly patienceMs: number;
}

/** A process in a pod's network namespace that answers on ports and tries connections, see `prober-worker.ts`. */
export interface Prober {
  /** For each attempt, whether it got an answer. */
  probe(attempts: readonly Attempt[]): Promise<readonly boolean[]>;
  stop(): Promise<void>;
}

const WORKER = fileURLToPath(new URL("prober-worker.ts", import.meta.url));

/** Starts a prober that serves `ports` over TCP and UDP, both families. */
export async function startProber(netns: string, ports: readonly number[]): Promise<Prober> {
  const args = [`--net=${netns}`, process.execPath, WORKER, ...ports.map(String)];
  const child = spawn("nsenter", args, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  return {
    async probe(attempts) {
      child.stdin.write(`${JSON.stringify(attempts)}\n`);
      const { value } = await lines.next();
      return JSON.parse(String(value)) as readonly boolean[];
    },
    async stop() {
      const closed = once(child, "close");
      child.stdin.end();
      await closed;
    },
  };
}
