// SPDX-License-Identifier: Apache-2.0

/**
 * Why a recording cannot be read.
 *
 * - `unreadable`: the folder or a file cannot be read
 * - `empty`: there is no recording in the folder
 * - `out-of-range`: nothing was recorded at the time asked for
 * - `malformed`: a line is not one that the controller writes
 * - `version`: the format is one that this program does not know
 */
export type RecordingErrorCode = "unreadable" | "empty" | "out-of-range" | "malformed" | "version";

/** The error of functions that read recordings; its message is human-readable. */
export class RecordingError extends Error {
  override readonly name = "RecordingError";
  readonly code: RecordingErrorCode;

  constructor(code: RecordingErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
