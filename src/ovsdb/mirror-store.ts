// SPDX-License-Identifier: Apache-2.0

import { OvsdbError } from "./errors.ts";
import { Gate } from "./gate.ts";
import { isJsonObject, type Json } from "./json.ts";
import { Listeners } from "./listeners.ts";
import { type AnyChange, MirrorTable } from "./mirror-table.ts";
import { type AnyRow, RowCodec } from "./row-codec.ts";
import type { KeyOf, TableIndex } from "./row-index.ts";
import { monitorRequests, type ServerSchema, type TableRequest } from "./selection.ts";
import { ZERO_UUID } from "./value.ts";

/** Options of {@link MirrorStore}. */
export interface MirrorOptions {
  /** Names the monitor on its connection (RFC 7047 §4.1.5 `<json-value>`). */
  readonly id: string;
  /** Called with errors of listeners and index functions. */
  readonly onError: (error: unknown) => void;
  /** Called once when the mirror is closed by its user. */
  readonly onClose: () => void;
}

/** The content of the reply to a monitor request. */
export interface CatchUp {
  /** The server knew the mirror's last transaction, and sent only later changes. */
  readonly resumed: boolean;
  readonly changes: number;
}

/**
 * The one implementation of {@link import("./mirror.ts").Mirror}, without I/O: it makes the requests and processes
 * the answers. Its types are those of any table; `OvsdbClient.monitor` gives it the types of the selection.
 */
export class MirrorStore {
  readonly id: string;
  readonly database: string;
  readonly #requests: ReadonlyMap<string, TableRequest>;
  readonly #tables = new Map<string, MirrorTable>();
  readonly #gate = new Gate();
  readonly #synced: Listeners<boolean>;
  readonly #changes: Listeners<readonly AnyChange[]>;
  readonly #onClose: () => void;
  /** The last transaction in the mirror, if the server has ids for transactions. */
  #lastTransaction = ZERO_UUID;
  /** The last request; a different request cannot be resumed. */
  #asked = "";
  #closed = false;

  /** `requests`: see {@link import("./selection.ts").tableRequests}. */
  constructor(database: string, requests: ReadonlyMap<string, TableRequest>, options: MirrorOptions) {
    this.id = options.id;
    this.database = database;
    this.#requests = requests;
    for (const [table, { schema, columns }] of requests) {
      this.#tables.set(table, new MirrorTable(table, new RowCodec(schema, columns), options.onError));
    }
    this.#synced = new Listeners(options.onError);
    this.#changes = new Listeners(options.onError);
    this.#onClose = options.onClose;
  }

  get synced(): boolean {
    return this.#gate.open;
  }

  /** Rows of all tables. */
  get rowCount(): number {
    let count = 0;
    for (const table of this.#tables.values()) count += table.rows.size;
    return count;
  }

  whenSynced(signal?: AbortSignal): Promise<void> {
    return this.#gate.wait(signal);
  }

  onSyncedChange(listener: (synced: boolean) => void): () => void {
    return this.#synced.add(listener);
  }

  subscribe(listener: (changes: readonly AnyChange[]) => void): () => void {
    return this.#changes.add(listener);
  }

  get(table: string, uuid: string): AnyRow | undefined {
    return this.#table(table).rows.get(uuid);
  }

  rows(table: string): IterableIterator<AnyRow> {
    return this.#table(table).rows.values();
  }

  size(table: string): number {
    return this.#table(table).rows.size;
  }

  index(table: string, name: string, keyOf: KeyOf): TableIndex {
    return this.#table(table).addIndex(name, keyOf);
  }

  close(): void {
    if (this.#closed) return;
    this.end(new OvsdbError("closed", "the mirror has been closed"));
    this.#onClose();
  }

  /** As `close`, for a reason of the client's. */
  end(error: OvsdbError): void {
    this.#closed = true;
    this.suspend();
    this.#gate.close(error);
    this.#changes.clear();
    this.#synced.clear();
    for (const table of this.#tables.values()) table.clear();
  }

  /** Parameters of the `monitor_cond_since` request (ovsdb-server(7) §4.1.15) that updates the mirror. */
  request(server: ServerSchema | undefined, lacks: (table: string, column?: string) => void): readonly Json[] {
    const requests = monitorRequests(this.#requests, server, lacks);
    const asked = JSON.stringify(requests);
    if (asked !== this.#asked) this.#lastTransaction = ZERO_UUID;
    this.#asked = asked;
    return [this.database, this.id, requests, this.#lastTransaction];
  }

  /** Processes the answer to that request; the mirror is synced then. Throws OvsdbError `protocol`. */
  takeReply(reply: Json): CatchUp {
    const [found, transaction, updates = {}] = Array.isArray(reply) ? (reply as readonly Json[]) : [];
    if (typeof found !== "boolean" || typeof transaction !== "string") {
      throw new OvsdbError("protocol", "malformed reply to monitor_cond_since");
    }
    const changes = this.#take(transaction, updates, (table, update, all) => {
      if (!found) table.replace(update, all);
      else if (update !== undefined) table.apply(update, all);
    });
    if (this.#gate.set(true)) this.#synced.emit(true);
    return { resumed: found, changes };
  }

  /** Processes an `update3` notification (ovsdb-server(7) §4.1.16). Throws OvsdbError `protocol`. */
  takeUpdate(transaction: Json | undefined, updates: Json | undefined): void {
    if (typeof transaction !== "string")
      throw new OvsdbError("protocol", "an update3 notification without a transaction id");
    this.#take(transaction, updates ?? {}, (table, update, all) => {
      if (update !== undefined) table.apply(update, all);
    });
  }

  /** The connection is lost: the content may be outdated. */
  suspend(): void {
    if (this.#gate.set(false)) this.#synced.emit(false);
  }

  #take(
    transaction: string,
    updates: Json,
    take: (table: MirrorTable, update: Json | undefined, changes: AnyChange[]) => void,
  ): number {
    if (!isJsonObject(updates)) throw new OvsdbError("protocol", "table updates that are not an object");
    const changes: AnyChange[] = [];
    try {
      for (const [name, table] of this.#tables) take(table, updates[name], changes);
      this.#lastTransaction = transaction;
    } catch (error) {
      // The content corresponds to no transaction now: everything must be read again.
      this.#lastTransaction = ZERO_UUID;
      throw error;
    } finally {
      if (changes.length > 0) this.#changes.emit(changes);
    }
    return changes.length;
  }

  #table(name: string): MirrorTable {
    const table = this.#tables.get(name);
    if (table === undefined) throw new TypeError(`${this.database}.${name} is not mirrored`);
    return table;
  }
}
