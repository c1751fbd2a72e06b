// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";

/** How a command ended. */
export interface CommandResult {
  /** 128 + n is not used: a command that a signal ended has code 1. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** More than helm prints of our chart (about 0.5 MB with its CRDs). */
const KEEP_CHARACTERS = 16 * 1024 * 1024;

/** Runs a program to its end, without input. Rejects if it cannot be started. */
export function runProgram(command: string, args: readonly string[], signal?: AbortSignal): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ["ignore", "pipe", "pipe"],
      ...(signal === undefined ? {} : { signal }),
    });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (text: string) => {
        output[name] = (output[name] + text).slice(-KEEP_CHARACTERS);
      });
    }
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? 1, ...output }));
  });
}
