// SPDX-License-Identifier: Apache-2.0

/**
 * - `unavailable`: the program `openssl` cannot be run
 * - `refused`: it ran and reported an error: a malformed request, a key that does not match
 * - `malformed`: a text is not a valid certificate, a Secret has no usable authority, or a name is not a valid
 *   common name
 */
export type PkiErrorCode = "unavailable" | "refused" | "malformed";

/** Rejection of the functions of `src/pki`. Its message never contains a key. */
export class PkiError extends Error {
  override readonly name = "PkiError";
  readonly code: PkiErrorCode;

  constructor(code: PkiErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}
