// SPDX-License-Identifier: Apache-2.0

import { OvsdbError } from "../../errors.ts";
import type { JsonObject } from "../../json.ts";

/** An `<error>` of RFC 7047 §3.1 for the client. */
export class OperationFailure extends Error {
  readonly json: JsonObject;

  constructor(error: string, details: string) {
    super(`${error}: ${details}`);
    this.json = { error, details };
  }
}

/** The `<error>` of an exception; anything except a failure or a malformed value is a bug, and rethrown. */
export function errorJson(error: unknown): JsonObject {
  if (error instanceof OperationFailure) return error.json;
  if (error instanceof OvsdbError) return { error: "syntax error", details: error.message };
  throw error;
}
