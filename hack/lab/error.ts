// SPDX-License-Identifier: Apache-2.0

/** The kind of an error of the lab, for callers that act on it. */
export type LabErrorCode =
  | "not-root"
  | "unsupported-path"
  | "not-up"
  | "other-settings"
  | "unknown-part"
  | "unknown-space"
  | "part-failed"
  | "timed-out"
  | "api";

/** The error of the lab; `message` says what to do about it, if something can be done. */
export class LabError extends Error {
  readonly code: LabErrorCode;

  constructor(code: LabErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "LabError";
    this.code = code;
  }
}
