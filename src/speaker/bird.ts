// SPDX-License-Identifier: Apache-2.0

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type BirdAnswer, birdCommand } from "./bird-control.ts";
import { SpeakerError } from "./error.ts";

/** BIRD reads its configuration and listens in less than a second. */
const START_MS = 20_000;

/** A BIRD that leaves so many commands in a row without an answer hangs, and is started again. */
const UNANSWERED = 3;

/** What {@link Bird} is told and tells. */
export interface BirdParts {
  /** Folder of the configuration and the control socket, of this process alone. */
  readonly folder: string;
  /** Whether neighbours keep routes while it restarts. */
  readonly gracefulRestart: boolean;
  readonly program?: string;
  /** For the answer to a command. */
  readonly deadlineMs?: number;
  /** Each line of its log. */
  readonly onLine: (line: string) => void;
  /** It has ended without being stopped. */
  readonly onExit: (reason: string) => void;
}

/** The process of BIRD: started with a configuration, and given new ones while it runs, by which no session ends that is in both. */
export class Bird {
  readonly #parts: BirdParts;
  readonly #config: string;
  readonly #socket: string;
  #child: ChildProcess | undefined;
  #applied = "";
  #unanswered = 0;

  constructor(parts: BirdParts) {
    this.#parts = parts;
    this.#config = join(parts.folder, "bird.conf");
    this.#socket = join(parts.folder, "bird.ctl");
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  /** Makes BIRD run with that configuration. Rejects with SpeakerError; then it may be called again. */
  async apply(config: string): Promise<void> {
    if (this.#child !== undefined && config === this.#applied) return;
    // It may contain the password.
    await writeFile(this.#config, config, { mode: 0o600 });
    if (this.#child === undefined) await this.#start();
    else await this.#command("configure");
    this.#applied = config;
  }

  /** The lines of `show protocols all`. */
  async protocols(): Promise<readonly string[]> {
    return (await this.#command("show protocols all")).lines;
  }

  async #command(command: string): Promise<BirdAnswer> {
    const child = this.#child;
    try {
      const answer = await birdCommand(this.#socket, command, this.#parts.deadlineMs);
      this.#unanswered = 0;
      return answer;
    } catch (error) {
      const isLost = error instanceof SpeakerError && error.code === "unreachable";
      this.#unanswered = isLost ? this.#unanswered + 1 : 0;
      if (this.#unanswered >= UNANSWERED) child?.kill("SIGKILL");
      throw error;
    }
  }

  async #start(): Promise<void> {
    await rm(this.#socket, { force: true });
    // With -R it recovers from a graceful restart: neighbours learn that it has all its routes before they drop those of before.
    const recover = this.#parts.gracefulRestart ? ["-R"] : [];
    const args = ["-f", ...recover, "-c", this.#config, "-s", this.#socket];
    const child = spawn(this.#parts.program ?? "/usr/sbin/bird", args, { stdio: ["ignore", "ignore", "pipe"] });
    const last: string[] = [];
    const started = new Promise<void>((resolve, reject) => {
      const fail = (reason: string): void =>
        reject(new SpeakerError("unreachable", `BIRD did not start: ${[reason, ...last].join("; ")}`));
      const late = setTimeout(() => {
        fail(`not within ${START_MS / 1000} s`);
        child.kill("SIGKILL");
      }, START_MS);
      createInterface({ input: child.stderr }).on("line", (line) => {
        if (last.push(line) > 5) last.shift();
        this.#parts.onLine(line);
        if (!line.endsWith("Started")) return;
        clearTimeout(late);
        resolve();
      });
      child.once("error", (error) => fail(error.message));
      child.once("close", (code, signal) => {
        clearTimeout(late);
        const reason = `it ended with ${signal ?? `exit code ${code}`}`;
        fail(reason);
        if (this.#child !== child) return;
        this.#child = undefined;
        this.#parts.onExit(reason);
      });
    });
    await started;
    this.#unanswered = 0;
    this.#child = child;
  }

  /**
   * Ends BIRD. With graceful restart it is killed, so that it does not take leave of its neighbours, which would drop its routes; without, they drop them at once.
   */
  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(this.#parts.gracefulRestart ? "SIGKILL" : "SIGTERM");
    await ended;
  }
}
