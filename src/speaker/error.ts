// SPDX-License-Identifier: Apache-2.0

/**
 * - `config`: the password cannot be read or used
 * - `refused`: BIRD refused a command or its configuration
 * - `unreachable`: BIRD ended, or did not answer in time
 */
export type SpeakerErrorCode = "config" | "refused" | "unreachable";

/** Why the speaker cannot announce now. */
export class SpeakerError extends Error {
  readonly code: SpeakerErrorCode;

  constructor(code: SpeakerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SpeakerError";
    this.code = code;
  }
}
