// SPDX-License-Identifier: Apache-2.0

/**
 * The kind of an error, for code that must decide what to do next.
 *
 * - `not-found` 404: no such object, or no such type
 * - `conflict` 409: the object has changed since it was read, or a precondition failed
 * - `exists` 409: the name is taken
 * - `forbidden` 403, `unauthorized` 401
 * - `invalid` 400, 422, 415, 405: the request can never succeed as it stands
 * - `gone` 410: the version or the list's continuation is too old
 * - `throttled` 429, after the allowed repeats
 * - `unavailable`: no connection, it broke, or 502, 503, 504
 * - `internal`: any other 5xx; or, without a status, a fault of this program
 * - `timeout`: the call's deadline passed
 * - `aborted`: the caller's signal
 * - `overloaded`: too many calls are waiting in this process
 * - `too-large`: the answer exceeds the limit
 * - `protocol`: the answer does not conform to the API
 * - `config`: no usable address or credentials
 */
export type KubeErrorCode =
  | "not-found"
  | "conflict"
  | "exists"
  | "forbidden"
  | "unauthorized"
  | "invalid"
  | "gone"
  | "throttled"
  | "unavailable"
  | "internal"
  | "timeout"
  | "aborted"
  | "overloaded"
  | "too-large"
  | "protocol"
  | "config";

/** The only error that leaves this folder. The message names the call (verb, resource, name) and the result. */
export class KubeError extends Error {
  override readonly name = "KubeError";
  readonly code: KubeErrorCode;
  /** HTTP status, if the API server answered. */
  readonly status: number | undefined;
  /** `reason` of the meta/v1 Status that the API server sent, for example `AlreadyExists`. */
  readonly reason: string | undefined;

  constructor(
    code: KubeErrorCode,
    message: string,
    details: { status?: number | undefined; reason?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.status = details.status;
    this.reason = details.reason;
  }

  /** Whether the same call may succeed later without any other action. */
  get retryable(): boolean {
    return RETRYABLE.has(this.code);
  }

  /** Returns a KubeError unchanged and wraps any other error; `what` names the call that failed. */
  static from(error: unknown, what: string): KubeError {
    if (error instanceof KubeError) return error;
    const text = error instanceof Error ? error.message : String(error);
    return new KubeError("internal", `${what}: ${text}`, { cause: error });
  }

  /** From an answer with an error status. `body` is a meta/v1 Status if the API server wrote it, else any text. */
  static fromAnswer(status: number, body: string, what: string): KubeError {
    const parsed = parseStatus(body);
    const reason = parsed?.reason;
    // The API server quotes the URL of a request to kubelet; its query has all arguments of an exec.
    const message = (parsed?.message ?? firstLine(body)).replaceAll(/("https:\/\/[^"?\s]{1,1000})\?[^"\s]*"/g, '$1"');
    return new KubeError(codeOf(status, reason), `${what}: ${message} (${status}${reason ? ` ${reason}` : ""})`, {
      status,
      reason,
    });
  }
}

const RETRYABLE: ReadonlySet<KubeErrorCode> = new Set<KubeErrorCode>([
  "throttled",
  "unavailable",
  "internal",
  "timeout",
  "overloaded",
]);

function codeOf(status: number, reason: string | undefined): KubeErrorCode {
  switch (status) {
    case 401:
      return "unauthorized";
    case 403:
      return "forbidden";
    case 404:
      return "not-found";
    case 409:
      return reason === "AlreadyExists" ? "exists" : "conflict";
    case 410:
      return "gone";
    case 429:
      return "throttled";
    case 502:
    case 503:
    case 504:
      return "unavailable";
    default:
      if (status >= 500) return "internal";
      // The API has neither redirects nor 1xx, nor a success where an error is expected.
      return status >= 400 ? "invalid" : "protocol";
  }
}

/** For `.catch()` of a request: undefined if the API server has no such object. Rethrows any other error. */
export function unlessNotFound(error: unknown): undefined {
  if (error instanceof KubeError && error.code === "not-found") return undefined;
  throw error;
}

function parseStatus(body: string): { reason?: string; message?: string } | undefined {
  if (!body.startsWith("{")) return undefined;
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value !== "object" || value === null) return undefined;
    const { reason, message } = value as { reason?: unknown; message?: unknown };
    return {
      ...(typeof reason === "string" && reason !== "" ? { reason } : {}),
      ...(typeof message === "string" && message !== "" ? { message } : {}),
    };
  } catch {
    return undefined;
  }
}

function firstLine(body: string): string {
  const line = body.split("\n", 1)[0]?.trim() ?? "";
  return line === "" ? "no message" : line.slice(0, 300);
}
