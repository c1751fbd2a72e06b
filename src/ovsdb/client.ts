// SPDX-License-Identifier: Apache-2.0

import type { OvsdbError } from "./errors.ts";
import type { Lock } from "./lock.ts";
import type { Mirror } from "./mirror.ts";
import type { Operation, OperationResult } from "./operation.ts";
import type { DatabaseSchema } from "./schema.ts";
import type { Selected, Selection } from "./selection.ts";

/**
 * `connected`: a suitable server (with `leaderOnly`, the leader) accepts transactions. Mirrors report themselves when
 * they are current.
 */
export type ClientState = "connecting" | "connected" | "closed";

/** Options of one transaction. */
export interface TransactOptions {
  /** Stops waiting for the reply; a sent transaction may still be applied (`abandoned`). */
  readonly signal?: AbortSignal;
  /** How long to wait for the answer, in milliseconds; default 30,000. A server without its raft majority does not answer. */
  readonly timeoutMs?: number;
  /**
   * Name of a lock of this client: the transaction fails with `not owner` unless the lock is held, here and on the
   * server.
   */
  readonly assertLock?: string;
}

/** A connection to OVSDB that maintains itself: it reconnects, follows the leader, and restores mirrors and locks. */
export interface OvsdbClient {
  readonly state: ClientState;
  /** The remote in use or being tried, as given. */
  readonly remote: string | undefined;
  /** Called after each change of state; returns the function that removes the listener. */
  onStateChange(listener: (state: ClientState) => void): () => void;
  /** Resolves when `state` is or becomes connected. Rejects OvsdbError `abandoned` by the signal, `closed` by `close()`. */
  whenConnected(signal?: AbortSignal): Promise<void>;
  /**
   * RFC 7047 §4.1.3. Resolves with one result for each operation (except the assertion of `assertLock`) when all have
   * been committed; else rejects OvsdbError, whose `mayHaveApplied` is true if the outcome is unknown. Nothing is
   * sent twice. Before it resolves, the synced mirrors of this client contain the transaction (ovsdb-server(7)
   * §4.1.5).
   */
  transact(
    database: string,
    operations: readonly Operation[],
    options?: TransactOptions,
  ): Promise<readonly OperationResult[]>;
  /** Mirrors part of a database; any number of mirrors share the connection. */
  monitor<Tables, const Asked extends Selection<Tables>>(
    schema: DatabaseSchema<Tables>,
    selection: Asked,
  ): Mirror<Selected<Tables, Asked>>;
  /**
   * Requests a lock, waiting in the server's queue. A name can be requested once at a time; the second time throws a
   * TypeError.
   */
  lock(name: string): Lock;
  /**
   * As {@link lock}, but takes it from its holder (RFC 7047 §4.1.8 "steal"). If another client steals it, this one
   * waits in the queue.
   */
  steal(name: string): Lock;
  /** Ends the connection, rejects waiting calls, and closes mirrors and locks. Idempotent. */
  close(): Promise<void>;
}

/** Files for `ssl:` remotes, PEM. Read again for each connection, so that renewed certificates are used. */
export interface TlsFiles {
  readonly privateKey: string;
  readonly certificate: string;
  /** The certificate authorities that must have signed the server's certificate. */
  readonly caCertificate: string;
}

/** Options of {@link import("./open.ts").openOvsdb}. */
export interface OvsdbOptions {
  /** OVSDB connection methods (ovsdb(7)): `unix:FILE`, `tcp:HOST:PORT`, `ssl:HOST:PORT`; IPv6 addresses in brackets. Tried in turn. */
  readonly remotes: readonly string[];
  /**
   * The database that decides whether a server is suitable: its leader, and whether it is connected to its cluster.
   * Other databases on the same server can be used, too.
   */
  readonly database: string;
  /** Stay only with a server that leads the database's raft cluster (any standalone server will do); default false. */
  readonly leaderOnly?: boolean;
  readonly tls?: TlsFiles;
  /**
   * After this time without a message from the server an echo is requested; after the same time again the connection
   * is closed. Default 5,000.
   */
  readonly probeIntervalMs?: number;
  /**
   * If set, an echo is requested as often as that, also from a server that sends. A server gives a client up that has sent nothing for twice its
   * inactivity probe. Without this the client's last message may be almost a whole probe old when its event loop stands still, so that the client
   * loses its locks after one probe.
   */
  readonly keepAliveMs?: number;
  /** From opening the connection to knowing that the server is suitable; default 5,000. */
  readonly connectTimeoutMs?: number;
  /**
   * Longest pause between rounds of all remotes; default 5,000. The first is 100 and each is twice the last, less up
   * to half at random.
   */
  readonly maxBackoffMs?: number;
  /** Largest message of the server; default 256 MiB. */
  readonly maxMessageBytes?: number;
  /** Maximum number of requests without answer; default 1,000. */
  readonly maxRequests?: number;
  readonly onEvent?: (event: ClientEvent) => void;
}

/** Events of a connection, for logs and metrics. */
export type ClientEvent =
  | { readonly type: "connecting"; readonly remote: string }
  | {
      readonly type: "connected";
      readonly remote: string;
      readonly model: string;
      readonly serverId: string | undefined;
    }
  /** A connection, or an attempt, has ended; `error.code` is the reason. */
  | { readonly type: "disconnected"; readonly remote: string; readonly error: OvsdbError }
  /** All remotes have failed (or a new connection broke at once). */
  | { readonly type: "backoff"; readonly delayMs: number; readonly attempt: number }
  /** A mirror is current again. `resumed`: the server knew the mirror's last transaction and sent only later changes. */
  | {
      readonly type: "synced";
      readonly database: string;
      readonly resumed: boolean;
      readonly changes: number;
      readonly rows: number;
    }
  /**
   * The server's schema lacks a column or table of a mirror, which reads as the column's default, or as an empty
   * table.
   */
  | { readonly type: "schema-lacks"; readonly database: string; readonly table: string; readonly column?: string }
  /** A listener threw. */
  | { readonly type: "listener-error"; readonly error: unknown };
