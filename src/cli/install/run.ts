// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";

/** The result of a command. */
export interface CommandResult {
  /** 128 + n is not used: a command that was ended by a signal has code 1. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Choices of {@link runProgram}. */
export interface ProgramOptions {
  readonly signal?: AbortSignal | undefined;
  /** Default: this process's own. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** More than helm prints for Weft's chart (about 0.5 MB with its CRDs). */
const KEEP_CHARACTERS = 16 * 1024 * 1024;

/**
 * Runs a program to its end, without input. When `signal` fires the program gets SIGINT, and its end is waited for:
 * helm then marks the release as failed, because one in the state "pending" would refuse the next installation.
 * Rejects if it cannot be started.
 */
export function runProgram(
  command: string,
  args: readonly string[],
  { signal, env = process.env }: ProgramOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env });
    const interrupt = (): boolean => child.kill("SIGINT");
    signal?.addEventListener("abort", interrupt, { once: true });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (text: string) => {
        output[name] = (output[name] + text).slice(-KEEP_CHARACTERS);
      });
    }
    child.on("error", reject);
    child.on("close", (code) => {
      signal?.removeEventListener("abort", interrupt);
      resolve({ code: code ?? 1, ...output });
    });
  });
}
