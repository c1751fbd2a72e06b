// SPDX-License-Identifier: Apache-2.0

import { CNI_ERROR, type CniErrorCode, type CniErrorResult } from "../api/cni-message.ts";

/**
 * An error that is printed on stdout for the plugin's caller, with a code of CNI SPEC 1.1 "Error". `details` may be
 * empty.
 */
export class PluginError extends Error {
  override readonly name = "PluginError";
  readonly code: CniErrorCode;
  readonly details: string;

  constructor(code: CniErrorCode, message: string, details = "", cause?: unknown) {
    super(message, { cause });
    this.code = code;
    this.details = details;
  }
}

/** Converts anything thrown to a `PluginError`; other errors are faults of the shim itself (code 999). */
export function asPluginError(thrown: unknown): PluginError {
  if (thrown instanceof PluginError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new PluginError(CNI_ERROR.internal, `weft-cni failed: ${message}`, "", thrown);
}

/** The JSON that CNI SPEC 1.1 "Error" requires on stdout. */
export function errorJson(error: PluginError, cniVersion: string): string {
  const result: CniErrorResult = {
    cniVersion,
    code: error.code,
    msg: error.message,
    ...(error.details === "" ? {} : { details: error.details }),
  };
  return JSON.stringify(result);
}
