// SPDX-License-Identifier: Apache-2.0

/** Why a request is not carried out, and with which status of HTTP the Docker Engine API says so. */
const STATUS = { "bad-request": 400, "not-found": 404, conflict: 409, "not-supported": 501 } as const;

/** A refused request; `message` is what the client shows. */
export class EngineError extends Error {
  readonly code: keyof typeof STATUS;

  constructor(code: keyof typeof STATUS, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "EngineError";
    this.code = code;
  }

  /** The status of the response. */
  get status(): number {
    return STATUS[this.code];
  }
}
