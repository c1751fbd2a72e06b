// SPDX-License-Identifier: Apache-2.0

/** Why a step on the machine itself (a command, a package, a download, a lock) did not work. */
export type HostErrorCode =
  | "command-failed"
  | "command-missing"
  | "timed-out"
  | "not-root"
  | "unsupported"
  | "download";

/** The one error of `hack/host`; `message` says what to do where the reader can do something. */
export class HostError extends Error {
  readonly code: HostErrorCode;

  constructor(code: HostErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "HostError";
    this.code = code;
  }
}

/** The text of anything thrown, for a message of our own. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
