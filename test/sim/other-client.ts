// SPDX-License-Identifier: Apache-2.0

import { OWNER_KEY, rowUuid } from "../../src/desired/identity.ts";
import { OVN_NB } from "../../src/ovsdb/generated/ovn-nb.ts";
import type { JsonObject } from "../../src/ovsdb/json.ts";
import { insert, mutate, remove, update } from "../../src/ovsdb/operation.ts";
import { columnKey, columnText } from "./database-content.ts";
import type { Backup, NorthboundServer } from "./database-server.ts";
import type { SimProcess } from "./process.ts";
import type { RandomFaults } from "./random-faults.ts";
import type { Scheduler } from "./scheduler.ts";
import type { DatabaseAction } from "./script.ts";
import { pickOf } from "./users.ts";

/** A user with `ovn-nbctl`, and the administrator who restores the database. */
export class OtherClient {
  readonly #server: NorthboundServer;
  readonly #scheduler: Scheduler;
  readonly #randomFaults: RandomFaults;
  #backup: Backup | undefined;
  #foreign = 0;
  /** uuids of rows whose content is not ours at the moment, because another client wrote them: ports, and all rows of a restored backup. */
  readonly touched = new Set<string>();
  /** Columns of ports that another client has set → its last value, as text. */
  readonly #columns = new Map<string, string>();
  /** Columns that the controllers have set in rows that they have inserted: they own these, and restore them. */
  #owned = new Set<string>();
  /** Names of the administrator's own ports. */
  readonly foreignPorts = new Set<string>();

  constructor(server: NorthboundServer, scheduler: Scheduler, randomFaults: RandomFaults) {
    this.#server = server;
    this.#scheduler = scheduler;
    this.#randomFaults = randomFaults;
  }

  /** A controller has written rows: they are its own again. */
  committed(from: SimProcess | undefined, operations: readonly JsonObject[]): void {
    if (from === undefined) return;
    for (const { op, where, uuid, row } of operations) {
      if (op === "insert")
        for (const column of Object.keys(row ?? {})) this.#owned.add(columnKey(String(uuid), column));
      const [, , named] = (Array.isArray(where) ? (where[0] as readonly unknown[] | undefined) : undefined) ?? [];
      this.touched.delete(String(uuid ?? (named as readonly string[] | undefined)?.[1]));
    }
  }

  /** Columns of ports that have the value that another client has set. */
  editedColumns(): ReadonlySet<string> {
    const present = this.#ports().flatMap(({ _uuid, ...columns }) =>
      Object.entries<unknown>(columns).map(([column, value]) => [columnKey(_uuid, column), columnText(value)] as const),
    );
    return new Set(present.flatMap(([key, text]) => (this.#columns.get(key) === text ? [key] : [])));
  }

  /** Notes from now on which columns the controllers own. */
  forgetOwned(): void {
    this.#owned = new Set();
  }

  /** Whether the controllers own a column: see {@link columnKey}. */
  isOwned(key: string): boolean {
    return this.#owned.has(key);
  }

  act(action: DatabaseAction): void {
    const server = this.#server;
    switch (action.do) {
      case "nb-delete-port": {
        const port = pickOf(this.#ports(), action.pick);
        const holder = server
          .rows("Logical_Switch")
          .find((row) => port !== undefined && row.ports.includes(port._uuid));
        if (port === undefined || holder === undefined) return;
        this.#edit([mutate(OVN_NB, "Logical_Switch", holder._uuid, [["ports", "delete", [port._uuid]]])]);
        return;
      }
      case "nb-edit-port": {
        const port = pickOf(this.#ports(), action.pick);
        if (port === undefined) return;
        this.touched.add(port._uuid);
        const columns = {
          addresses: { addresses: ["0a:00:00:00:00:99 10.16.0.3"] },
          // All columns except the owner: a port without an owner is an administrator's, and is not changed.
          owner: { external_ids: { [OWNER_KEY]: port.external_ids[OWNER_KEY] ?? "" } },
          security: { port_security: ["0a:00:00:00:00:98"] },
        }[action.how];
        for (const [column, value] of Object.entries(columns))
          this.#columns.set(columnKey(port._uuid, column), columnText(value));
        this.#edit([update(OVN_NB, "Logical_Switch_Port", port._uuid, columns)]);
        return;
      }
      case "nb-delete-group": {
        const group = pickOf(sorted(server.rows("Port_Group")), action.pick);
        if (group !== undefined) this.#edit([remove(OVN_NB, "Port_Group", group._uuid)]);
        return;
      }
      case "nb-leave-group": {
        const group = pickOf(sorted(server.rows("Port_Group").filter((row) => row.ports.length > 0)), action.pick);
        const [port] = group?.ports ?? [];
        if (group === undefined || port === undefined) return;
        this.#edit([mutate(OVN_NB, "Port_Group", group._uuid, [["ports", "delete", [port]]])]);
        return;
      }
      case "nb-delete-switch": {
        const row = pickOf(sorted(server.rows("Logical_Switch")), action.pick);
        if (row !== undefined) this.#edit([remove(OVN_NB, "Logical_Switch", row._uuid)]);
        return;
      }
      case "nb-delete-router": {
        const row = pickOf(sorted(server.rows("Logical_Router")), action.pick);
        if (row !== undefined) this.#edit([remove(OVN_NB, "Logical_Router", row._uuid)]);
        return;
      }
      case "nb-foreign-port": {
        const holder = pickOf(sorted(server.rows("Logical_Switch")), action.pick);
        if (holder === undefined) return;
        const name = `admin-${this.#foreign++}`;
        const uuid = rowUuid("Logical_Switch_Port", `sim/${name}`);
        this.foreignPorts.add(name);
        this.#edit([
          insert(OVN_NB, "Logical_Switch_Port", uuid, { name }),
          mutate(OVN_NB, "Logical_Switch", holder._uuid, [["ports", "insert", [uuid]]]),
        ]);
        return;
      }
      case "nb-backup":
        this.#backup = server.backup();
        return;
      case "nb-restore": {
        const backup = this.#backup;
        if (backup === undefined) return;
        server.stop();
        this.#scheduler.after(action.down, () => {
          this.#randomFaults.count("northbound restored from a backup");
          // Rows of the backup that differ from the present ones are treated as another client's until they have been restored.
          for (const rows of backup.values()) for (const uuid of rows.keys()) this.touched.add(uuid);
          this.foreignPorts.clear();
          for (const row of backup.get("Logical_Switch_Port")?.values() ?? []) {
            if (String(row["name"]).startsWith("admin-")) this.foreignPorts.add(String(row["name"]));
          }
          server.stop();
          server.restore(backup);
          server.start(true);
        });
        return;
      }
    }
  }

  #ports() {
    return sorted(this.#server.rows("Logical_Switch_Port").filter((row) => !this.foreignPorts.has(row.name)));
  }

  #edit(operations: Parameters<NorthboundServer["edit"]>[0]): void {
    const refusal = this.#server.edit(operations);
    if (refusal !== undefined) this.#scheduler.note(`change by another client was rejected: ${refusal}`);
  }
}

function sorted<T extends { readonly name: string }>(rows: readonly T[]): readonly T[] {
  return rows.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
