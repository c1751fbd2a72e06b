// SPDX-License-Identifier: Apache-2.0

/** The values of `error` members that OVSDB servers send: RFC 7047 §3.1 and §5.2, and ovsdb-server(7) §3.1. */
const SERVER_CODES = [
  "referential integrity violation",
  "constraint violation",
  "resources exhausted",
  "I/O error",
  "duplicate uuid-name",
  "duplicate uuid",
  "domain error",
  "range error",
  "timed out",
  "not supported",
  "aborted",
  "not owner",
  "syntax error",
  "unknown database",
  "unknown table",
  "unknown column",
  "unknown method",
  "unknown monitor",
  "database not available",
  "invalid parameters",
  "permission error",
  "not allowed",
  "canceled",
  "cluster error",
  "ovsdb error",
  "internal error",
] as const;

/** An error that a server reported. `timed out`: a `wait` operation was not satisfied within its own time. */
export type ServerErrorCode = (typeof SERVER_CODES)[number];

/**
 * An error of this side.
 * - `not connected`: nothing was sent, as there was no connection.
 * - `disconnected`: the connection was lost before the answer; whether the request took effect is unknown. `cause`
 *   has the reason if this side closed it: an `unsuitable server` no longer leads, a `protocol` error is not
 *   understood.
 * - `timeout`: no answer within the request's time limit; whether it took effect is unknown.
 * - `abandoned`: the caller's signal fired; whether it took effect is unknown.
 * - `closed`: the client, mirror or lock has been closed.
 * - `overloaded`: too many requests or bytes wait already; nothing was sent.
 * - `too large`: a sent or received message beyond the size limit.
 * - `protocol`: the other side violates JSON-RPC or OVSDB.
 * - `invalid value`: a value does not fit its column; nothing was sent.
 * - `connection`: a remote could not be reached, or its certificate is not trusted.
 * - `unsuitable server`: the server answers but cannot be used (not the leader, cut off from its cluster, stale,
 *   other database).
 * - `other`: the server reported an error with a name that is not in the list.
 */
export type ClientErrorCode =
  | "not connected"
  | "disconnected"
  | "timeout"
  | "abandoned"
  | "closed"
  | "overloaded"
  | "too large"
  | "protocol"
  | "invalid value"
  | "connection"
  | "unsuitable server"
  | "other";

export type OvsdbErrorCode = ServerErrorCode | ClientErrorCode;

/** Codes after which a transaction may or may not have been applied, whatever the database; see also {@link FORMAL}. */
const UNKNOWN_OUTCOME: ReadonlySet<OvsdbErrorCode> = new Set(["disconnected", "timeout", "abandoned"]);

/**
 * Errors that a transaction gets for its form, or by its own request, independent of the database's content: it was
 * never applied. Any other error from a clustered database may concern the second run of a transaction whose first
 * run was applied, see the constructor.
 */
const FORMAL: ReadonlySet<OvsdbErrorCode> = new Set([
  "aborted",
  "syntax error",
  "unknown database",
  "unknown table",
  "unknown column",
  "unknown method",
  "database not available",
  "invalid parameters",
  "not allowed",
  "not supported",
  "duplicate uuid-name",
]);

/** Codes of temporary errors: the same request may succeed later, or on another server. */
const PASSING: ReadonlySet<OvsdbErrorCode> = new Set([
  "not connected",
  "disconnected",
  "timeout",
  "overloaded",
  "connection",
  "unsuitable server",
  "timed out",
  "canceled",
  "cluster error",
  "database not available",
  "I/O error",
  "resources exhausted",
  "not allowed",
]);

const KNOWN: ReadonlySet<string> = new Set(SERVER_CODES);

/** Everything that `src/ovsdb` rejects or throws, except TypeErrors for misuse by the calling code. */
export class OvsdbError extends Error {
  override readonly name = "OvsdbError";
  readonly code: OvsdbErrorCode;
  /** Index of the operation that failed in its transaction; absent if the transaction as a whole failed. */
  readonly operation: number | undefined;
  readonly #repeated: boolean;

  /**
   * `clustered`: a server of a raft cluster, or a relay of one, sent this answer to a transaction. It runs a
   * transaction again by itself when the leader changes before it knows whether the first run was committed
   * (`ovsdb_trigger_try` on a "cluster error"), so the answer may be caused by its own first run: `duplicate uuid`,
   * `constraint violation`, a `wait` that is no longer satisfied.
   */
  constructor(
    code: OvsdbErrorCode,
    message: string,
    options: { cause?: unknown; operation?: number; clustered?: boolean } = {},
  ) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.operation = options.operation;
    this.#repeated = options.clustered === true && !FORMAL.has(code);
  }

  /** Whether the request may have taken effect in spite of the error. If false, it has not. */
  get mayHaveApplied(): boolean {
    return UNKNOWN_OUTCOME.has(this.code) || this.#repeated;
  }

  /** Whether the same request may succeed later. If false, the server has refused this request. */
  get retryable(): boolean {
    return PASSING.has(this.code);
  }

  /** Converts any thrown value to an `OvsdbError`; an OvsdbError is returned unchanged. */
  static from(reason: unknown, code: ClientErrorCode): OvsdbError {
    if (reason instanceof OvsdbError) return reason;
    return new OvsdbError(code, reason instanceof Error ? reason.message : String(reason), { cause: reason });
  }

  /** From a server's error object: RFC 7047 §3.1 `<error>`, or the plain string that some requests are answered with. */
  static fromServer(error: unknown, options: { operation?: number; clustered?: boolean } = {}): OvsdbError {
    const { error: name, details } = isErrorObject(error) ? error : { error: String(error), details: undefined };
    const code = KNOWN.has(name) ? (name as ServerErrorCode) : "other";
    const message = typeof details === "string" && details !== "" ? `${name}: ${details}` : name;
    return new OvsdbError(code, message, options);
  }
}

function isErrorObject(value: unknown): value is { error: string; details?: unknown } {
  return typeof value === "object" && value !== null && "error" in value && typeof value.error === "string";
}
