// SPDX-License-Identifier: Apache-2.0

import type { Duplex } from "node:stream";
import { SYSTEM_CLOCK } from "../../time/clock.ts";
import type { OvsdbClient, OvsdbOptions } from "../client.ts";
import { Connection } from "../connection.ts";
import type { JsonObject } from "../json.ts";
import type { MirrorRow } from "../mirror.ts";
import type { Operation, OperationResult } from "../operation.ts";
import { transactResults } from "../result.ts";
import type { AnyTableSchema, DatabaseSchema, TableName } from "../schema.ts";
import { MemoryServer } from "./memory/server.ts";
import { schemaJson } from "./schema-json.ts";

/** A database of a {@link FakeOvsdb}; any `DatabaseSchema` is one. */
export interface FakeDatabase {
  readonly name: string;
  readonly version: string;
  readonly tables: object;
}

/**
 * An OVSDB server in memory for tests, used by the real client: its mirrors, locks and reconnects are the real ones,
 * only the stream is in memory. Of RFC 7047 it lacks `uuid-name`, and every commit visits all rows, so it is for
 * hundreds of rows, not for measurements.
 */
export interface FakeOvsdb {
  /** A client of this server. Close it, or the server, at the end of the test. */
  connect(options?: Partial<OvsdbOptions>): OvsdbClient;
  /** The client's end of a connection, for a client that is created by hand. */
  dial(): Duplex;
  /** A transaction that does not count as a client's. Rejects as `transact` does; it may assert any lock. */
  edit<Tables>(schema: DatabaseSchema<Tables>, operations: readonly Operation[]): Promise<readonly OperationResult[]>;
  /** The stored rows. */
  rows<Tables, Table extends TableName<Tables>>(
    schema: DatabaseSchema<Tables>,
    table: Table,
  ): readonly MirrorRow<Tables[Table]>[];
  /** The operations of each committed transaction of a client, oldest first; may be emptied. */
  readonly transactions: { readonly database: string; readonly operations: readonly Operation[] }[];
  /** Called before each transaction of a client; a returned `error` (and `details`) refuses it. */
  onTransact: ((operations: readonly Operation[], database: string) => FakeRefusal | undefined) | undefined;
  /** Closes every connection; clients reconnect. */
  cut(): void;
  /** Closes every connection and refuses new ones until `start`. Rows are kept; with `forget` the history is not. */
  stop(): void;
  start(options?: { readonly forget?: boolean }): void;
  /** Does not answer clients' messages until `resume`. */
  pause(): void;
  resume(): void;
  /** Sets whether the server leads its cluster; if not, `leaderOnly` clients leave and keep trying. */
  setLeader(leader: boolean): void;
  /** Stops the server and closes all its clients. */
  close(): Promise<void>;
}

/** An RFC 7047 `<error>`, for example `{ error: "constraint violation", details: "…" }`. */
export interface FakeRefusal {
  readonly error: string;
  readonly details?: string;
}

/** Starts a server with these empty databases. Clients check its suitability by the first. */
export function fakeOvsdb(...databases: readonly [FakeDatabase, ...FakeDatabase[]]): FakeOvsdb {
  const server = new MemoryServer(
    databases.map((database) => ({
      name: database.name,
      schemaText: JSON.stringify(schemaJson(database as DatabaseSchema<Record<string, object>>)),
      tables: new Map(Object.entries(database.tables as Readonly<Record<string, AnyTableSchema>>)),
    })),
  );
  const clients: OvsdbClient[] = [];
  const transactions: FakeOvsdb["transactions"] = [];
  const fake: FakeOvsdb = {
    connect: (options = {}) => {
      const client = new Connection(
        { remotes: ["fake"], database: databases[0].name, maxBackoffMs: 1, ...options },
        { clock: SYSTEM_CLOCK, dial: async () => server.connect() },
      );
      clients.push(client);
      return client;
    },
    dial: () => server.connect(),
    edit: (schema, operations) =>
      new Promise((resolve, reject) => {
        server.execute(undefined, null, server.store(schema.name), operations as unknown as JsonObject[], (results) => {
          try {
            resolve(transactResults(results, operations.length));
          } catch (error) {
            reject(error instanceof Error ? error : new Error(String(error)));
          }
        });
      }),
    rows: <Tables, Table extends TableName<Tables>>(schema: DatabaseSchema<Tables>, table: Table) =>
      [...(server.store(schema.name).tables.get(table)?.values() ?? [])] as unknown as readonly MirrorRow<
        Tables[Table]
      >[],
    transactions,
    onTransact: undefined,
    cut: () => server.cut(),
    stop: () => server.stop(),
    start: ({ forget = false } = {}) => server.start(forget),
    pause: () => server.setPaused(true),
    resume: () => server.setPaused(false),
    setLeader: (leader) => server.setLeader(leader),
    close: async () => {
      server.stop();
      await Promise.all(clients.map((client) => client.close()));
    },
  };
  server.onTransact = (database, operations) => {
    const refusal = fake.onTransact?.(operations as unknown as readonly Operation[], database);
    return refusal === undefined ? undefined : { ...refusal };
  };
  server.onCommit = (database, operations) => {
    transactions.push({ database, operations: operations as unknown as readonly Operation[] });
  };
  return fake;
}
