// SPDX-License-Identifier: Apache-2.0

import { OvsdbError } from "./errors.ts";
import type { Json, JsonObject } from "./json.ts";

/** A JSON-RPC 1.0 message as OVSDB uses them, RFC 7047 §4. */
export type Message =
  | { readonly kind: "request"; readonly method: string; readonly params: readonly Json[]; readonly id: Json }
  | { readonly kind: "notification"; readonly method: string; readonly params: readonly Json[] }
  | { readonly kind: "reply"; readonly id: Json; readonly result: Json; readonly error: Json };

/** Parses a JSON object as a message. Throws OvsdbError `protocol`. */
export function parseMessage(json: JsonObject): Message {
  const { method, params, id, result = null, error = null } = json;
  if (typeof method === "string") {
    // ovsdb-server sends `null` for no parameters, which the RFC does not allow.
    const list = params ?? [];
    if (!Array.isArray(list)) throw new OvsdbError("protocol", `the parameters of ${method} are not an array`);
    if (id === undefined || id === null) return { kind: "notification", method, params: list as readonly Json[] };
    return { kind: "request", method, params: list as readonly Json[], id };
  }
  if (id === undefined || id === null) throw new OvsdbError("protocol", "a message that is neither request nor reply");
  return { kind: "reply", id, result, error };
}

/** A request as JSON. */
export function requestJson(method: string, params: readonly Json[], id: Json): JsonObject {
  return { method, params, id };
}

/** A notification as JSON: a request that is not answered. */
export function notificationJson(method: string, params: readonly Json[]): JsonObject {
  return { method, params, id: null };
}

/** A reply as JSON. */
export function replyJson(id: Json, result: Json, error: Json = null): JsonObject {
  return { id, result, error };
}
