// SPDX-License-Identifier: Apache-2.0

/** Why a step on the machine itself (a command, a package, a download, a lock) failed. */
export type HostErrorCode =
  | "command-failed"
  | "command-missing"
  | "timed-out"
  | "in-use"
  | "not-root"
  | "unsupported"
  | "download";

/** The error of `hack/host`; `message` says what to do if the user can do something. */
export class HostError extends Error {
  readonly code: HostErrorCode;

  constructor(code: HostErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "HostError";
    this.code = code;
  }
}

/** The text of anything thrown, for a message. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Runs a program of `hack` to its end. A {@link HostError} is printed with the program's name, and the process then fails; other errors are faults of the program. */
export async function runMain(name: string, program: () => Promise<unknown>): Promise<void> {
  try {
    await program();
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    console.error(`${name}: ${error.message}`);
    process.exitCode = 1;
  }
}
