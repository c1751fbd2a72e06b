// SPDX-License-Identifier: Apache-2.0

/**
 * Errors of a run that are not a verdict on the cluster: `invalid-task` (nothing was run), `unsupported` (the target cannot do it; nothing was
 * run), `context` (setting up failed), `scenario` (a scenario could not be prepared), `fault` (a fault could not be injected, or its part did not come
 * back), `trigger` (a hook never fired), `unmeasurable` (an SLA has nothing to judge), `target-lost` (the target died), `verify` (a verifier could not
 * be run), `cleanup` (something could not be undone), `interrupted`, `state` (the journal or the store is unreadable).
 */
export type StabilityErrorCode =
  | "invalid-task"
  | "unsupported"
  | "context"
  | "scenario"
  | "fault"
  | "trigger"
  | "unmeasurable"
  | "target-lost"
  | "verify"
  | "cleanup"
  | "interrupted"
  | "state";

/** The one error of `test/stability`; the message says where and what to do. */
export class StabilityError extends Error {
  readonly code: StabilityErrorCode;

  constructor(code: StabilityErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "StabilityError";
    this.code = code;
  }
}

/** Exit codes of the command: a run that exceeds its SLA differs from a run without a verdict. */
export const EXIT = { passed: 0, failed: 1, invalid: 2, broken: 3, interrupted: 130 } as const;

/** The text of any thrown value, for a message. */
export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Adds the code of the failed step to an error; errors that have a code keep it. */
export function asStabilityError(code: StabilityErrorCode, what: string, error: unknown): StabilityError {
  if (error instanceof StabilityError) return error;
  return new StabilityError(code, `${what}: ${textOf(error)}`, { cause: error });
}
