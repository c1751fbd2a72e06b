// SPDX-License-Identifier: Apache-2.0

import type { Dial } from "../../src/ovsdb/dial.ts";
import { OvsdbError } from "../../src/ovsdb/errors.ts";
import { OVN_NB, type OvnNbTables } from "../../src/ovsdb/generated/ovn-nb.ts";
import { OVN_SB, type OvnSbTables } from "../../src/ovsdb/generated/ovn-sb.ts";
import { VSWITCH, type VswitchTables } from "../../src/ovsdb/generated/vswitch.ts";
import type { Json, JsonObject } from "../../src/ovsdb/json.ts";
import type { MirrorRow } from "../../src/ovsdb/mirror.ts";
import type { Operation } from "../../src/ovsdb/operation.ts";
import type { AnyRow } from "../../src/ovsdb/row-codec.ts";
import type { AnyTableSchema, DatabaseSchema, TableName } from "../../src/ovsdb/schema.ts";
import { MemoryServer } from "../../src/ovsdb/testing/memory/server.ts";
import { schemaJson } from "../../src/ovsdb/testing/schema-json.ts";
import { Channel } from "./channel.ts";
import type { SimProcess } from "./process.ts";
import { Random } from "./random.ts";
import type { RandomFaults } from "./random-faults.ts";
import type { Scheduler } from "./scheduler.ts";
import { Wire } from "./wire.ts";

/** The whole content of the database at one time: table → uuid → row. */
export type Backup = ReadonlyMap<string, ReadonlyMap<string, AnyRow>>;

/** Callbacks of the server to the run. */
export interface DatabaseWatcher {
  /** Before a transaction of a process is executed. */
  readonly onTransact: (from: SimProcess | undefined, operations: readonly JsonObject[]) => void;
  /** After a transaction of a process has been committed. */
  readonly onCommit: (from: SimProcess | undefined, operations: readonly JsonObject[]) => void;
}

/** Schema → its text, which takes a while to write. */
const TEXTS = new Map(
  [OVN_NB, OVN_SB, VSWITCH].map((schema) => [schema.name, JSON.stringify(schemaJson(schema as AnySchema))]),
);

// Tables of any schema.
type AnySchema = DatabaseSchema<Record<string, object>>;

/** A database of the simulated cluster, and the connections to it. */
class DatabaseServer<Tables> {
  readonly #schema: DatabaseSchema<Tables>;
  readonly #scheduler: Scheduler;
  readonly #randomFaults: RandomFaults;
  readonly #seed: string;
  readonly #server: MemoryServer;
  readonly #wires = new Set<Wire>();
  #sender: SimProcess | undefined;
  #dials = 0;
  #transactions = 0;
  /** Processes that cannot reach the server at all. */
  readonly #unreachable = new Set<SimProcess>();

  constructor(
    schema: DatabaseSchema<Tables>,
    scheduler: Scheduler,
    randomFaults: RandomFaults,
    seed: string,
    watcher: DatabaseWatcher,
  ) {
    this.#schema = schema;
    this.#scheduler = scheduler;
    this.#randomFaults = randomFaults;
    this.#seed = seed;
    this.#server = new MemoryServer([
      {
        name: schema.name,
        schemaText: TEXTS.get(schema.name) ?? "",
        tables: new Map(Object.entries(schema.tables)) as unknown as ReadonlyMap<string, AnyTableSchema>,
      },
    ]);
    this.#server.onTransact = (_, operations) => {
      watcher.onTransact(this.#sender, operations as readonly JsonObject[]);
      return this.#refusal();
    };
    this.#server.onCommit = (_, operations) => watcher.onCommit(this.#sender, operations as readonly JsonObject[]);
  }

  /** A function with which a process connects. */
  dialer(process: SimProcess): Dial {
    return (_, signal) =>
      new Promise((resolve, reject) => {
        const random = new Random(`${this.#seed}/dial/${this.#dials++}`);
        const cancel = this.#scheduler.after(random.delay(3, 200), () =>
          process.deliver(() => {
            // No answer: the caller's own timeout ends it.
            if (this.#unreachable.has(process)) return;
            signal.removeEventListener("abort", onAbort);
            try {
              resolve(this.#connect(process, random).client);
            } catch (error) {
              reject(error instanceof Error ? error : new Error(String(error)));
            }
          }),
        );
        const onAbort = (): void => {
          cancel();
          reject(new OvsdbError("connection", "given up"));
        };
        signal.addEventListener("abort", onAbort, { once: true });
      });
  }

  /** The connections of a process, or all. */
  wires(process?: SimProcess): readonly Wire[] {
    for (const wire of this.#wires) if (!wire.open) this.#wires.delete(wire);
    return [...this.#wires].filter((wire) => process === undefined || wire.process === process);
  }

  /** Sets whether a process can reach the server; existing connections are paused meanwhile. */
  setReachable(process: SimProcess, reachable: boolean): void {
    if (reachable) this.#unreachable.delete(process);
    else this.#unreachable.add(process);
    for (const wire of this.wires(process)) {
      if (reachable) wire.release();
      else wire.hold();
    }
  }

  /** A transaction of another client, a user with `ovn-nbctl`. Returns the reason if it is refused. */
  edit(operations: readonly Operation[]): string | undefined {
    let refusal: string | undefined;
    this.#sender = undefined;
    const store = this.#server.store(this.#schema.name);
    this.#server.execute(undefined, null, store, operations as unknown as readonly Json[], (results) => {
      const failed = results.find((result) => result !== null && typeof result === "object" && "error" in result);
      if (failed !== undefined) refusal = JSON.stringify(failed);
    });
    return refusal;
  }

  rows<Table extends TableName<Tables>>(table: Table): readonly MirrorRow<Tables[Table]>[] {
    const rows = this.#server.store(this.#schema.name).tables.get(table)?.values() ?? [];
    return [...rows] as unknown as readonly MirrorRow<Tables[Table]>[];
  }

  /** A copy of all rows. Rows are never changed in place. */
  backup(): Backup {
    return new Map([...this.#server.store(this.#schema.name).tables].map(([table, rows]) => [table, new Map(rows)]));
  }

  /** Replaces the database by an old copy. The server must be stopped, and forgets its history when it starts. */
  restore(backup: Backup): void {
    for (const [table, rows] of this.#server.store(this.#schema.name).tables) {
      rows.clear();
      for (const [uuid, row] of backup.get(table) ?? []) rows.set(uuid, row);
    }
  }

  stop(): void {
    this.#server.stop();
  }

  start(forget: boolean): void {
    this.#server.start(forget);
  }

  setLeader(leader: boolean): void {
    this.#server.setLeader(leader);
  }

  #connect(process: SimProcess, random: Random): Wire {
    const channel = (): Channel =>
      new Channel(this.#scheduler, () => {
        const slow = this.#randomFaults.happens("slow-network", random, process.name.split("#")[0] ?? "");
        return slow ? random.delay(400, 8_000) : random.delay(3, 200);
      });
    const wire = new Wire(process, this.#server.connect(), channel(), channel(), () => {
      this.#sender = process;
    });
    this.#wires.add(wire);
    return wire;
  }

  #refusal(): JsonObject | undefined {
    const random = new Random(`${this.#seed}/transaction/${this.#transactions++}`);
    if (!this.#randomFaults.happens("database-refuses", random, "")) return undefined;
    return random.chance(0.5)
      ? { error: "resources exhausted", details: "simulated" }
      : { error: "constraint violation", details: "simulated" };
  }
}

/** The northbound database. */
export class NorthboundServer extends DatabaseServer<OvnNbTables> {
  constructor(scheduler: Scheduler, randomFaults: RandomFaults, seed: string, watcher: DatabaseWatcher) {
    super(OVN_NB, scheduler, randomFaults, seed, watcher);
  }
}

/** The southbound database. */
export class SouthboundServer extends DatabaseServer<OvnSbTables> {
  constructor(scheduler: Scheduler, randomFaults: RandomFaults, seed: string, watcher: DatabaseWatcher) {
    super(OVN_SB, scheduler, randomFaults, `${seed}/southbound`, watcher);
  }
}

/** The Open vSwitch database of one node. */
export class VswitchServer extends DatabaseServer<VswitchTables> {
  constructor(scheduler: Scheduler, randomFaults: RandomFaults, seed: string, watcher: DatabaseWatcher) {
    super(VSWITCH, scheduler, randomFaults, seed, watcher);
  }
}
