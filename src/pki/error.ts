// SPDX-License-Identifier: Apache-2.0

/**
 * - `unavailable`: the program `openssl` cannot be run
 * - `refused`: it ran and reported an error: a malformed request, a key that does not fit
 * - `malformed`: a text is no certificate, a Secret has no authority that can be used, or a name cannot be one's common name
 */
export type PkiErrorCode = "unavailable" | "refused" | "malformed";

/** What `src/pki` rejects with. Its text never has a key in it. */
export class PkiError extends Error {
  override readonly name = "PkiError";
  readonly code: PkiErrorCode;

  constructor(code: PkiErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}
