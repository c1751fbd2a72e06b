// SPDX-License-Identifier: Apache-2.0

import type { ApiErrorCode } from "./contract.ts";

/** A request that cannot be answered: what the browser is told. */
export class PageError extends Error {
  override readonly name = "PageError";
  readonly code: ApiErrorCode;
  /** Seconds, for `busy` and `too-many-requests`. */
  readonly retryAfter: number | undefined;

  constructor(code: ApiErrorCode, message: string, details: { retryAfter?: number; cause?: unknown } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.retryAfter = details.retryAfter;
  }
}

/** The answer for an object that does not exist, and for one that the viewer may not see: the same. */
export function notFound(what: string): PageError {
  return new PageError("not-found", `there is no ${what}, or this account may not see it`);
}
