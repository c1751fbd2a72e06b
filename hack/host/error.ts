/** Why a step on the machine itself (a command, a package, a download, a lock) did not work. */
export type MachineErrorCode =
  | "command-failed"
  | "command-missing"
  | "timed-out"
  | "not-root"
  | "unsupported"
  | "download";

/** The one error of `hack/host`; `message` says what to do where the reader can do something. */
export class MachineError extends Error {
  readonly code: MachineErrorCode;

  constructor(code: MachineErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "MachineError";
    this.code = code;
  }
}

/** The text of anything thrown, for a message of our own. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
