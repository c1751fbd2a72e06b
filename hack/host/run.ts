// SPDX-License-Identifier: Apache-2.0

import { constants } from "node:os";
import { createInterface } from "node:readline";
import { execa } from "execa";
import { HostError } from "./error.ts";

/** How a command is run; everything is optional. */
export interface RunOptions {
  readonly cwd?: string;
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Written to standard input, which is empty otherwise. */
  readonly input?: string;
  /** Milliseconds until the command is killed; no limit when absent. */
  readonly timeoutMs?: number;
  /** An exit code other than 0 is returned, not thrown. */
  readonly allowFailure?: boolean;
  /** Called with each line of both outputs as it comes, for progress. */
  readonly onLine?: (line: string) => void;
  /**
   * SIGINT and SIGTERM of this process are passed to the command and its children, which get a process group of their own so that a terminal's Ctrl-C reaches them once;
   * this process goes on when the command has ended.
   */
  readonly forwardSignals?: boolean;
}

/** The result of a command. `code` is 128 + n after signal n. */
export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const FORWARDED = ["SIGINT", "SIGTERM"] as const;

/**
 * Runs a command to its end and returns its output (execa, with the errors of `hack/host`).
 * Rejects with HostError `command-failed` (with the end of its error output), `command-missing` or `timed-out`.
 */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { cwd, env, input = "", timeoutMs, onLine, forwardSignals = false } = options;
  const child = execa(command, args, {
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
    ...(timeoutMs === undefined ? {} : { timeout: timeoutMs, killSignal: "SIGKILL" as const }),
    ...(forwardSignals ? { detached: true } : {}),
    input,
    stripFinalNewline: false,
    reject: false,
  });
  if (onLine !== undefined) {
    for (const input of [child.stdout, child.stderr]) createInterface({ input }).on("line", onLine);
  }
  // To the whole group, as a terminal does: Ginkgo's command leaves it to its processes to hear the signal.
  const forward = (signal: NodeJS.Signals): void => {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  };
  if (forwardSignals) for (const signal of FORWARDED) process.on(signal, forward);
  const result = await child;
  for (const signal of FORWARDED) process.off(signal, forward);
  const { stdout, stderr } = result;
  const line = described(command, args);
  if (result.timedOut) throw new HostError("timed-out", `${line} timed out after ${timeoutMs} ms`);
  if (result.exitCode === undefined && result.signal === undefined) {
    throw new HostError("command-missing", `cannot run ${command}: ${result.originalMessage}`, { cause: result.cause });
  }
  const code = result.exitCode ?? 128 + constants.signals[result.signal ?? "SIGTERM"];
  if (code !== 0 && options.allowFailure !== true) {
    const detail = (stderr.trim() || stdout.trim()).slice(-2000);
    throw new HostError("command-failed", `${line} exited with ${code}: ${detail}`);
  }
  return { code, stdout, stderr };
}

function described(command: string, args: readonly string[]): string {
  const line = [command, ...args].join(" ");
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}
