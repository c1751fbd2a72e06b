// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import { type Duplex, duplexPair } from "node:stream";
import { OvsdbError } from "../../errors.ts";
import type { Json, JsonObject } from "../../json.ts";
import { replyJson } from "../../message.ts";
import type { AnyChange } from "../../mirror-table.ts";
import type { AnyRow } from "../../row-codec.ts";
import type { AnyTableSchema } from "../../schema.ts";
import { SERVER } from "../../server-status.ts";
import { OperationFailure } from "./failure.ts";
import { MemoryLocks } from "./locks.ts";
import { MemorySession, type SessionHost } from "./session.ts";
import { MemoryStore } from "./store.ts";
import { executeTransaction } from "./transaction.ts";

/** A database of the server. */
export interface MemoryDatabase {
  readonly name: string;
  /** The RFC 7047 schema as JSON text. */
  readonly schemaText: string;
  readonly tables: ReadonlyMap<string, AnyTableSchema>;
}

/** A transaction that waits for a `wait` operation. */
interface Blocked {
  readonly session: MemorySession | undefined;
  readonly id: Json;
  readonly retry: () => boolean;
  readonly drop: () => void;
}

/** ovsdb-server in memory, with the parts of RFC 7047 that this client uses. See `fake.ts` for its use in tests. */
export class MemoryServer implements SessionHost {
  /** Called with each transaction before it is executed; a returned error is the answer. */
  onTransact: ((database: string, operations: readonly Json[]) => JsonObject | undefined) | undefined;
  /** Called with each transaction that has been committed. */
  onCommit: ((database: string, operations: readonly Json[]) => void) | undefined;
  readonly #stores = new Map<string, MemoryStore>();
  readonly #sessions = new Set<MemorySession>();
  readonly #locks = new MemoryLocks<MemorySession>((session, method, name) =>
    session.send({ method, params: [name], id: null }),
  );
  readonly #blocked = new Set<Blocked>();
  #running = true;
  #paused = false;

  constructor(databases: readonly MemoryDatabase[]) {
    const status = new MemoryStore(
      SERVER.name,
      new Map(Object.entries(SERVER.tables)) as ReadonlyMap<string, AnyTableSchema>,
    );
    this.#stores.set(status.name, status);
    const cid = randomUUID();
    for (const { name, schemaText, tables } of databases) {
      this.#stores.set(name, new MemoryStore(name, tables));
      const row: AnyRow = {
        _uuid: randomUUID(),
        name,
        model: "clustered",
        connected: true,
        leader: true,
        schema: schemaText,
        cid,
        sid: randomUUID(),
        index: undefined,
      };
      status.commit([{ table: "Database", uuid: row._uuid, new: row }]);
    }
  }

  /** The client's end of a new connection. Throws OvsdbError `connection` while the server is stopped. */
  connect(): Duplex {
    if (!this.#running) throw new OvsdbError("connection", "the server is stopped");
    const [client, server] = duplexPair();
    const session = new MemorySession(server, this);
    if (this.#paused) session.pause();
    this.#sessions.add(session);
    return client;
  }

  cut(): void {
    for (const session of [...this.#sessions]) session.cut();
  }

  stop(): void {
    this.#running = false;
    this.cut();
  }

  start(forget: boolean): void {
    this.#running = true;
    if (forget) for (const store of this.#stores.values()) store.forgetHistory();
  }

  setPaused(paused: boolean): void {
    this.#paused = paused;
    for (const session of this.#sessions) {
      if (paused) session.pause();
      else session.resume();
    }
  }

  /** Sets whether the server reports that it leads its cluster. */
  setLeader(leader: boolean): void {
    const status = this.store(SERVER.name);
    const changes: AnyChange[] = [];
    for (const row of status.tables.get("Database")?.values() ?? []) {
      changes.push({ table: "Database", uuid: row._uuid, old: row, new: { ...row, leader } });
    }
    status.commit(changes);
    this.#notify(status, changes);
  }

  store(database: Json | undefined): MemoryStore {
    const store = typeof database === "string" ? this.#stores.get(database) : undefined;
    if (store === undefined) throw new OperationFailure("unknown database", String(database as string));
    return store;
  }

  transact(session: MemorySession, id: Json, [database, ...operations]: readonly Json[]): void {
    for (const blocked of this.#blocked) {
      if (blocked.session === session && blocked.id === id)
        throw new OperationFailure("syntax error", "duplicate request ID");
    }
    this.execute(session, id, this.store(database), operations, (results) => session.send(replyJson(id, results)));
  }

  /** Executes a transaction, now or when its `wait` is satisfied. Without a session it holds every lock. */
  execute(
    session: MemorySession | undefined,
    id: Json,
    store: MemoryStore,
    operations: readonly Json[],
    answer: (results: readonly Json[]) => void,
  ): void {
    const refusal = session === undefined ? undefined : this.onTransact?.(store.name, operations);
    if (refusal !== undefined) {
      answer([refusal, ...operations.slice(1).map(() => null)]);
      return;
    }
    const since = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const attempt = (): boolean => {
      const holds = (name: string): boolean => session === undefined || this.#locks.holder(name) === session;
      const waited = performance.now() - since;
      const outcome = executeTransaction(store, operations, holds, waited);
      if (outcome.kind === "waiting") {
        // A millisecond more, as timers count whole ones and may be early by a part of one.
        if (outcome.timeoutMs !== undefined) timer ??= setTimeout(retry, outcome.timeoutMs - waited + 1);
        return false;
      }
      clearTimeout(timer);
      if (outcome.kind === "committed") {
        if (session !== undefined) this.onCommit?.(store.name, operations);
        // Monitors get a transaction before its author gets the answer (ovsdb-server(7) §4.1.5).
        this.#notify(store, outcome.changes);
      }
      answer(outcome.results);
      if (outcome.kind === "committed" && outcome.changes.length > 0) this.#retryBlocked();
      return true;
    };
    const blocked: Blocked = { session, id, retry: attempt, drop: () => clearTimeout(timer) };
    const retry = (): void => {
      timer = undefined;
      if (this.#blocked.delete(blocked) && !attempt()) this.#blocked.add(blocked);
    };
    if (!attempt()) this.#blocked.add(blocked);
  }

  /**
   * No notification, as in ovsdb-server for a client that has not sent `set_db_change_aware`
   * (`ovsdb_jsonrpc_trigger_complete`).
   */
  cancel(session: MemorySession, id: Json): void {
    for (const blocked of this.#blocked) if (blocked.session === session && blocked.id === id) this.#drop(blocked);
  }

  lock(session: MemorySession, method: string, name: string): Json {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw new OperationFailure("syntax error", "params must be <id>");
    if (this.#locks.hasAsked(session, name) !== (method === "unlock")) {
      throw new OperationFailure(
        "syntax error",
        method === "unlock" ? '"unlock" without "lock"' : 'must issue "unlock" before',
      );
    }
    if (method === "lock") return { locked: this.#locks.lock(session, name) };
    if (method === "unlock") this.#locks.unlock(session, name);
    else this.#locks.steal(session, name);
    return method === "steal" ? { locked: true } : {};
  }

  ended(session: MemorySession): void {
    this.#sessions.delete(session);
    this.#locks.drop(session);
    for (const blocked of this.#blocked) if (blocked.session === session) this.#drop(blocked);
  }

  #drop(blocked: Blocked): void {
    blocked.drop();
    this.#blocked.delete(blocked);
  }

  #notify(store: MemoryStore, changes: readonly AnyChange[]): void {
    if (changes.length > 0) for (const session of this.#sessions) session.notify(store, changes);
  }

  #retryBlocked(): void {
    for (const blocked of [...this.#blocked]) {
      // Removed first: its commit may let other transactions continue, and so call this again.
      if (this.#blocked.delete(blocked) && !blocked.retry()) this.#blocked.add(blocked);
    }
  }
}
