// SPDX-License-Identifier: Apache-2.0

import { CNI_ERROR, type CniErrorCode, type CniFailure } from "../../api/cni-message.ts";

/**
 * Why a CNI request failed, for users who read `kubectl describe pod`: what failed, where, and what to do. The shim
 * prints `code` (CNI SPEC 1.1 "Error"). Every verb throws only errors of this class.
 */
export class CniError extends Error {
  override readonly name = "CniError";
  readonly code: CniErrorCode;
  readonly details: string;

  constructor(code: CniErrorCode, message: string, options: { details?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? "";
  }

  /**
   * Converts anything thrown to a `CniError`; `doing` names the step that failed, for example "creating the veth
   * pair".
   */
  static from(thrown: unknown, doing: string, code: CniErrorCode = CNI_ERROR.internal): CniError {
    if (thrown instanceof CniError) return thrown;
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    return new CniError(code, `${doing}: ${reason}`, { cause: thrown });
  }

  /** The body of the HTTP response. */
  toFailure(): CniFailure {
    return { error: this.message, code: this.code, ...(this.details === "" ? {} : { details: this.details }) };
  }
}

/** The HTTP status of a response: errors of the caller are 4xx, temporary ones 503, the rest 500. */
export function httpStatus(code: CniErrorCode): number {
  switch (code) {
    case CNI_ERROR.incompatibleVersion:
    case CNI_ERROR.unsupportedField:
    case CNI_ERROR.invalidEnvironment:
    case CNI_ERROR.decodingFailure:
    case CNI_ERROR.invalidConfig:
    case CNI_ERROR.invalidNetns:
      return 400;
    case CNI_ERROR.unknownContainer:
      return 404;
    case CNI_ERROR.tryAgainLater:
    case CNI_ERROR.notAvailable:
    case CNI_ERROR.limitedConnectivity:
      return 503;
    default:
      return 500;
  }
}
