// SPDX-License-Identifier: Apache-2.0

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Duplex, Readable } from "node:stream";
import { EngineError } from "./error.ts";
import type { Host } from "./host.ts";

/** A command in a container: created, then started once. */
export interface Execution {
  readonly id: string;
  readonly container: string;
  readonly containerId: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  started: boolean;
  /** Undefined until it has ended; 127 where the command is not found. */
  code: number | undefined;
}

/** How many ended commands are remembered for clients that ask for the exit code. */
const REMEMBERED = 200;

/** Commands that clients run in containers. */
export class Executions {
  readonly #host: Host;
  readonly #all = new Map<string, Execution>();

  constructor(host: Host) {
    this.#host = host;
  }

  /** `env`: lines `NAME=value`. */
  create(
    container: { readonly id: string; readonly name: string },
    command: readonly string[],
    env: readonly string[],
  ): Execution {
    for (const [id, { code }] of this.#all) {
      if (this.#all.size < REMEMBERED) break;
      if (code !== undefined) this.#all.delete(id);
    }
    if (this.#all.size >= REMEMBERED) throw new EngineError("conflict", `${REMEMBERED} commands are running`);
    const execution: Execution = {
      id: randomBytes(32).toString("hex"),
      container: container.name,
      containerId: container.id,
      command,
      env: Object.fromEntries(env.map((line) => /^([^=]*)=?(.*)$/s.exec(line)?.slice(1) ?? [line, ""])),
      started: false,
      code: undefined,
    };
    this.#all.set(execution.id, execution);
    return execution;
  }

  get(id: string): Execution {
    const found = this.#all.get(id);
    if (found === undefined) throw new EngineError("not-found", `No such exec instance: ${id}`);
    return found;
  }

  /**
   * Runs the command and writes its outputs to `stream`, in frames of the API's multiplexed stream, then ends it. The exit code is known before
   * that. The command is killed if the client goes away.
   */
  async start(id: string, stream: Duplex): Promise<void> {
    const execution = this.get(id);
    if (execution.started) throw new EngineError("conflict", `exec instance ${id} has already been started`);
    execution.started = true;
    const { container, command, env } = execution;
    const child = this.#host.exec(container, command, env);
    stream.once("close", () => child.kill("SIGKILL"));
    const outputs = Promise.all([text(child.stdout), text(child.stderr)]);
    const code = await new Promise<number>((resolve) => {
      child.once("error", () => resolve(127));
      child.once("close", (status) => resolve(status ?? 137));
    });
    const [stdout, stderr] = await outputs;
    const shown = code === 0 ? await this.#host.shown?.(container, command, stdout) : undefined;
    if (!stream.destroyed) {
      for (const frame of [...frames(1, shown ?? stdout), ...frames(2, stderr)])
        if (!stream.write(frame)) await Promise.race([once(stream, "drain"), once(stream, "close")]);
    }
    execution.code = code;
    stream.end();
  }
}

async function text(readable: Readable | null): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of readable ?? []) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
}

/** Longest payload of a frame. */
const FRAME = 32 * 1024;

/** Frames of one output (1: stdout, 2: stderr): its number, three zeros, the payload's length as 32 bits, the payload (ContainerAttach, "Stream format"). */
export function frames(output: 1 | 2, content: string): readonly Buffer[] {
  const bytes = Buffer.from(content);
  return Array.from({ length: Math.ceil(bytes.length / FRAME) }, (_, index) => {
    const payload = bytes.subarray(index * FRAME, (index + 1) * FRAME);
    const header = Buffer.alloc(8);
    header.writeUInt8(output, 0);
    header.writeUInt32BE(payload.length, 4);
    return Buffer.concat([header, payload]);
  });
}
