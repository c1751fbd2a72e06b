// SPDX-License-Identifier: Apache-2.0

import type { Duplex } from "node:stream";
import type { Clock } from "../time/clock.ts";
import { OvsdbError } from "./errors.ts";
import type { Json } from "./json.ts";
import { MirrorStore } from "./mirror-store.ts";
import { parseServerSchema, type ServerSchema, tableRequests } from "./selection.ts";
import { checkServer, SERVER, type SeenIndex } from "./server-status.ts";
import { type ReplyHandler, Session } from "./session.ts";

/** Options of {@link ServerSession}. */
export interface ServerSessionOptions {
  readonly clock: Clock;
  readonly probeIntervalMs: number;
  readonly keepAliveMs?: number | undefined;
  readonly maxMessageBytes: number;
  readonly maxRequests: number;
  readonly database: string;
  readonly leaderOnly: boolean;
  /** The newest state of the cluster that this or an earlier connection has seen. */
  readonly seen: () => SeenIndex | undefined;
  readonly onSeen: (seen: SeenIndex) => void;
  /** The server has been found suitable, for the first time on this connection. */
  readonly onSuitable: () => void;
  /** The server reports that it leads its cluster; called at each change of its `_Server` while it does. */
  readonly onLeads?: () => void;
  /** Notifications other than those about the server itself. */
  readonly onNotification: (method: string, params: readonly Json[]) => void;
  readonly onEnd: (error: OvsdbError) => void;
}

/** The monitor of `_Server`; mirrors have other names. */
const STATUS = "weft-server";

/**
 * A session with a server whose suitability is checked all the time: the notification that it no longer leads ends
 * the session.
 */
export class ServerSession {
  readonly #options: ServerSessionOptions;
  readonly #session: Session;
  readonly #status: MirrorStore;
  /** Database → its tables and columns; parsed on first use. */
  readonly #schemas = new Map<string, ServerSchema>();
  #suitable = false;
  #model = "";
  #serverId: string | undefined;

  constructor(stream: Duplex, options: ServerSessionOptions) {
    this.#options = options;
    this.#status = new MirrorStore(SERVER.name, tableRequests(SERVER, { Database: "all" }), {
      id: STATUS,
      onError: (error) => this.fail(OvsdbError.from(error, "protocol")),
      onClose: () => {},
    });
    this.#session = new Session(stream, {
      clock: options.clock,
      probeIntervalMs: options.probeIntervalMs,
      keepAliveMs: options.keepAliveMs,
      maxMessageBytes: options.maxMessageBytes,
      maxRequests: options.maxRequests,
      onNotification: (method, params) => this.#notified(method, params),
      onEnd: options.onEnd,
    });
  }

  /** `model` of the database that decides the suitability. */
  get model(): string {
    return this.#model;
  }

  /** The server's id in its cluster, if it is in one. */
  get serverId(): string | undefined {
    return this.#serverId;
  }

  /** Queries the server's state; `onSuitable` or `onEnd` follows. */
  greet(): void {
    try {
      this.call(
        "monitor_cond_since",
        this.#status.request(undefined, () => {}),
        (error, reply) => {
          if (error !== undefined) return this.fail(tooOld(error));
          this.#status.takeReply(reply);
          this.#check();
        },
      );
    } catch (reason) {
      this.fail(OvsdbError.from(reason, "protocol"));
    }
  }

  /** Whether a database is one of a raft cluster, or a relay's, of which the source is not known. */
  isClustered(database: string): boolean {
    for (const row of this.#status.rows("Database")) if (row["name"] === database) return row["model"] !== "standalone";
    return false;
  }

  /** See {@link Session.call}. */
  call(method: string, params: readonly Json[], onReply: ReplyHandler): () => void {
    return this.#session.call(method, params, onReply);
  }

  /** See {@link Session.urge}. */
  urge(ms: number): void {
    this.#session.urge(ms);
  }

  /** See {@link Session.fail}. */
  fail(error: OvsdbError): void {
    this.#session.fail(error);
  }

  /** See {@link Session.end}. */
  end(error: OvsdbError): void {
    this.#session.end(error);
  }

  /**
   * The tables and columns of a database on the server; undefined if the server does not report them. Throws
   * OvsdbError `protocol`.
   */
  schemaOf(database: string): ServerSchema | undefined {
    let schema = this.#schemas.get(database);
    if (schema !== undefined) return schema;
    for (const row of this.#status.rows("Database")) {
      if (row["name"] !== database || typeof row["schema"] !== "string") continue;
      schema = parseServerSchema(row["schema"]);
      this.#schemas.set(database, schema);
    }
    return schema;
  }

  #notified(method: string, params: readonly Json[]): void {
    if (method !== "update3" || params[0] !== STATUS) {
      this.#options.onNotification(method, params);
      return;
    }
    this.#status.takeUpdate(params[1], params[2]);
    this.#check();
  }

  #check(): void {
    const { database, leaderOnly, seen, onSeen, onSuitable } = this.#options;
    const suitability = checkServer(this.#status.rows("Database"), database, leaderOnly, seen());
    if (!suitability.suitable) {
      this.fail(new OvsdbError("unsuitable server", `the server ${suitability.reason}`));
      return;
    }
    if (suitability.seen !== undefined) onSeen(suitability.seen);
    if (suitability.row.model === "clustered" && suitability.row.leader) this.#options.onLeads?.();
    if (this.#suitable) return;
    this.#suitable = true;
    this.#model = suitability.row.model;
    this.#serverId = suitability.row.sid;
    onSuitable();
  }
}

/**
 * `_Server` was added in ovsdb-server 2.9 and `monitor_cond_since` in 2.12; older servers answer with an unknown
 * method or database.
 */
function tooOld(error: OvsdbError): OvsdbError {
  if (error.code !== "unknown method" && error.code !== "unknown database") return error;
  return new OvsdbError("unsuitable server", "the server is older than ovsdb-server 2.12", { cause: error });
}
