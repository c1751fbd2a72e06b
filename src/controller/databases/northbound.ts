// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import { isLoadBalancerGroupName } from "../../api/names.ts";
import type { StaleFlow, StaleFlows } from "../../contract/stale-udp-flows.ts";
import type { ColumnValue } from "../../desired/fragment.ts";
import type { FactStore } from "../../facts/store.ts";
import { NORTHBOUND_KINDS } from "../../kinds/database.ts";
import { EDGE_COLUMNS } from "../../kinds/edge-columns.ts";
import { type NorthboundTable, northboundSelection, writtenColumns } from "../../kinds/northbound.ts";
import type { OvsdbClient, TlsFiles } from "../../ovsdb/client.ts";
import { OvsdbError } from "../../ovsdb/errors.ts";
import { OVN_NB, type OvnNbTables } from "../../ovsdb/generated/ovn-nb.ts";
import type { Lock } from "../../ovsdb/lock.ts";
import type { Mirror } from "../../ovsdb/mirror.ts";
import { openOvsdb } from "../../ovsdb/open.ts";
import { mutate } from "../../ovsdb/operation.ts";
import type { ObservedChange } from "../../reconcile/drift.ts";
import type { OwnColumn } from "../../reconcile/orphaned-members.ts";
import type { SweptRow } from "../../reconcile/orphaned-rows.ts";
import type { CommitOutcome } from "../../reconcile/outcome.ts";
import { ownerOf } from "../../reconcile/owner.ts";
import type { DatabaseView, Plan } from "../../reconcile/transaction-plan.ts";
import { type Clock, SYSTEM_CLOCK } from "../../time/clock.ts";
import { sessionsOfRemovedPorts } from "./bfd-sessions.ts";
import { COUNT_UP, countedUp, staleFlows } from "./find-stale-udp-flows.ts";
import { formerVariables } from "./former-variables.ts";
import { northdProbe } from "./northd-probe-interval.ts";
import { operationsOf } from "./operations.ts";
import { takeChanges } from "./table-facts.ts";
import { askOptions, missingOptions } from "./tunnel-bfd.ts";

/** The OVSDB lock that the leader holds (an RFC 7047 `<id>`: no hyphen); each of its transactions asserts it, so a deposed leader cannot write. */
export const LEADER_LOCK = "weft_controller";

/** The minimum time to connect to a server and find out whether it is the raft leader, in ms. */
const CONNECT_MS = 5_000;
/**
 * How often the controller sends something, in ms: less than the server's inactivity probe, so that a controller that is busy keeps the lock for almost
 * two probes (4 of 5 s) and not only for one.
 */
const KEEP_ALIVE_MS = 1_000;
/** How long a commit waits for its result, in ms: a server without a majority of its cluster does not answer. */
const COMMIT_MS = 30_000;
/** The same for the confirmation of the lock; a later answer is not trusted (`fencing.ts`). */
const CONFIRM_MS = 5_000;

/** The largest number of ended flows kept until the next transaction. */
const MAX_OWED = 500;
/**
 * The shortest time between two increments of `NB_Global.nb_cfg`, in ms. Each makes every ovn-controller write its row of `Chassis_Private`, which
 * cannot be disabled, and with `ovn-monitor-all` each of these rows is sent to all of them (OVN controller/ovn-controller.c, `store_nb_cfg`,
 * `update_sb_monitors`).
 */
const COUNT_EVERY_MS = 2_000;

const NOTHING: Plan = {
  ...{ inserts: [], updates: [], mutations: [], deletes: [] },
  ...{ deferred: new Set<string>(), misdirected: [] },
};

/** The tables that the controller writes. */
const TABLES: readonly Table[] = [...writtenColumns().keys()];

/** A table of the northbound database. */
type Table = NorthboundTable;

/** The sets of a table that contain only our members in a row of ours. */
export const EXCLUSIVE: ReadonlyMap<string, readonly string[]> = new Map(
  [...EDGE_COLUMNS].map(([table, columns]) => [
    table,
    columns.flatMap(({ column, exclusive }) => (exclusive ? column : [])),
  ]),
);

/** The sets that a new leader corrects first: an ACL of a deleted policy would apply to new pods, and two routers would answer for the address of a deleted rule. */
export const OWN_COLUMNS: readonly OwnColumn[] = [
  { table: "Port_Group", column: "acls", members: "ACL" },
  { table: "Logical_Router", column: "nat", members: "NAT", shared: true },
  { table: "Logical_Router", column: "load_balancer", members: "Load_Balancer", shared: true },
];

type Row = Readonly<Record<string, ColumnValue>>;

/** Whether a row without an owner is ours: of the tables that we write, only Load_Balancer_Group has no `external_ids`. */
export function isOursByName(table: string, columns: Readonly<Record<string, ColumnValue>>): boolean {
  return table === "Load_Balancer_Group" && isLoadBalancerGroupName(String(columns["name"]));
}

/** The northbound database as the controller uses it: a mirror, transactions, and the lock of the leader. */
export class Northbound {
  readonly client: OvsdbClient;
  readonly view: DatabaseView;
  readonly lock: Lock;
  /** It has the columns that units write or facts read, see `src/kinds`. */
  readonly #mirror: Mirror<OvnNbTables>;
  readonly #global: Mirror<{ readonly NB_Global: Pick<OvnNbTables["NB_Global"], "external_ids"> }>;
  readonly #clock: Pick<Clock, "now" | "after">;
  readonly #withChassis: Parameters<typeof formerVariables>[1];
  /** Ended flows of transactions with an unknown outcome, or too soon after the last increment. */
  #owed: readonly StaleFlow[] = [];
  /** When `nb_cfg` may be incremented next. */
  #countable = Number.NEGATIVE_INFINITY;
  #cancelCount: (() => void) | undefined;
  #onStaleFlows: (ended: StaleFlows) => void = () => undefined;
  #onCommitted: (plan: Plan) => void = () => undefined;

  constructor(client: OvsdbClient, clock: Pick<Clock, "now" | "after"> = SYSTEM_CLOCK) {
    this.client = client;
    this.#clock = clock;
    this.#mirror = client.monitor(OVN_NB, northboundSelection()) as Mirror<OvnNbTables>;
    this.#global = client.monitor(OVN_NB, { NB_Global: ["external_ids"] });
    const variables = this.#mirror.index("Chassis_Template_Var", "chassis", ({ chassis }) => chassis);
    this.#withChassis = (chassis) =>
      variables.lookup(chassis).map((row) => ({ uuid: row._uuid, ours: ownerOf(row as unknown as Row) !== undefined }));
    this.lock = client.lock(LEADER_LOCK);
    this.view = {
      get: (table, uuid) => this.#mirror.get(table as Table, uuid) as Row | undefined,
      isRoot: (table) => OVN_NB.tables[table as Table].isRoot,
    };
  }

  /** Whether the mirror holds the whole database. */
  get synced(): boolean {
    return this.#mirror.synced;
  }

  /** Resolves when the mirror is complete and current. */
  whenReady(signal?: AbortSignal): Promise<void> {
    return this.#mirror.whenSynced(signal);
  }

  /** Calls `listener` for each change of the database, including the initial contents if subscribed at once. */
  subscribe(listener: (changes: readonly ObservedChange[]) => void): () => void {
    return this.#mirror.subscribe((changes) => listener(changes as unknown as readonly ObservedChange[]));
  }

  /** Every mirrored row. */
  *rows(): Iterable<SweptRow> {
    for (const table of TABLES) {
      for (const row of this.#mirror.rows(table)) {
        const columns = row as unknown as Row;
        yield { table, uuid: row._uuid, columns, ours: isOursByName(table, columns) };
      }
    }
  }

  /** Every logical switch, with the number of its ports. */
  *switches(): Iterable<{ readonly uuid: string; readonly name: string; readonly ports: number }> {
    for (const { _uuid: uuid, name, ports } of this.#mirror.rows("Logical_Switch"))
      yield { uuid, name, ports: ports.length };
  }

  /** Writes the rows of {@link NORTHBOUND_KINDS} to the store as facts. To be called at once, because rows read before are not delivered again. */
  feed(facts: FactStore): void {
    this.#mirror.subscribe((changes) => takeChanges(facts, NORTHBOUND_KINDS, changes));
  }

  /** Sets the listener for UDP flows that a committed transaction has ended; one at most. */
  onStaleFlows(listener: (ended: StaleFlows) => void): void {
    this.#onStaleFlows = listener;
  }

  /** Sets the listener for committed plans; one at most. */
  onCommitted(listener: (plan: Plan) => void): void {
    this.#onCommitted = listener;
  }

  /** Commits a plan as one transaction that asserts the leader's lock. A plan that cannot be encoded is not sent. Never rejects. */
  async commit(plan: Plan): Promise<CommitOutcome> {
    const { operations, faults } = operationsOf(plan);
    const [fault] = faults;
    if (fault !== undefined) return { kind: "refused", error: fault.error, faults };
    const owed = this.#owed;
    // Another commit may complete before this one.
    this.#owed = [];
    const flows = [...owed, ...staleFlows(plan, this.view)].slice(-MAX_OWED);
    const now = this.#clock.now();
    const countable = this.#countable;
    const isCounted = flows.length > 0 && now >= countable;
    if (isCounted) this.#countable = now + COUNT_EVERY_MS;
    const first = [...sessionsOfRemovedPorts(plan, this.view), ...formerVariables(plan, this.#withChassis)];
    const all = [...first, ...operations, ...(isCounted ? COUNT_UP : [])];
    try {
      const answers = await this.client.transact(OVN_NB.name, all, { assertLock: LEADER_LOCK, timeoutMs: COMMIT_MS });
      const cfg = isCounted ? countedUp(answers) : undefined;
      if (cfg !== undefined) this.#onStaleFlows({ cfg, flows });
      if (!isCounted) this.#owe(flows);
      if (plan !== NOTHING) this.#onCommitted(plan);
      return { kind: "committed" };
    } catch (error) {
      const outcome = outcomeOf(error);
      if (isCounted) this.#countable = countable;
      this.#owe(outcome.kind === "unknown" ? flows : owed);
      return outcome;
    }
  }

  #owe(flows: readonly StaleFlow[]): void {
    this.#owed = [...this.#owed, ...flows].slice(-MAX_OWED);
    if (this.#owed.length === 0) return;
    this.#cancelCount ??= this.#clock.after(COUNT_EVERY_MS, () => {
      this.#cancelCount = undefined;
      // If the increment fails, they wait for the next transaction.
      if (this.#owed.length > 0 && this.lock.state === "held") void this.commit(NOTHING);
    });
  }

  /**
   * Sets our options of NB_Global that are not set yet. `several`: the database has several members. Rejects as {@link OvsdbClient.transact} does.
   */
  async setOptions(several: boolean): Promise<void> {
    const limits = { assertLock: LEADER_LOCK, timeoutMs: COMMIT_MS };
    const [answer] = await this.client.transact(OVN_NB.name, [askOptions()], limits);
    const operations = [...missingOptions(answer), ...northdProbe(answer, several)];
    if (operations.length > 0) await this.client.transact(OVN_NB.name, operations, limits);
  }

  /** `external_ids` of the only row of `NB_Global`; empty without a row. */
  globalIds(): Readonly<Record<string, string>> {
    const [row] = this.#global.rows("NB_Global");
    return row?.external_ids ?? {};
  }

  /** Calls `listener` when {@link globalIds} may have changed; returns the function that removes it. */
  onGlobalIds(listener: () => void): () => void {
    return this.#global.subscribe(listener);
  }

  /** Sets one of {@link globalIds}. Rejects as {@link OvsdbClient.transact} does. */
  async writeGlobalId(key: string, value: string): Promise<void> {
    const mutations = [
      ["external_ids", "delete", [key]],
      ["external_ids", "insert", { [key]: value }],
    ] as const;
    const limits = { assertLock: LEADER_LOCK, timeoutMs: COMMIT_MS };
    await this.client.transact(OVN_NB.name, [mutate(OVN_NB, "NB_Global", [], mutations)], limits);
  }

  /** Whether the database agrees that this client holds the leader's lock: a transaction that asserts it and changes nothing. Never rejects. */
  async confirmLock(): Promise<boolean> {
    try {
      await this.client.transact(OVN_NB.name, [], { assertLock: LEADER_LOCK, timeoutMs: CONFIRM_MS });
      return true;
    } catch {
      return false;
    }
  }

  async close(): Promise<void> {
    this.#cancelCount?.();
    await this.client.close();
  }
}

/**
 * Opens the connection to the raft leader of the northbound database, which keeps the lock. `inactivityMs`: after this time without data an echo is
 * sent, and after the same time without an answer the connection, and with it leadership, is given up.
 */
export function openNorthbound(
  remotes: readonly string[],
  log: Logger,
  inactivityMs: number,
  tls?: TlsFiles,
): Northbound {
  const client = openOvsdb({
    remotes,
    ...(tls && { tls }),
    database: OVN_NB.name,
    leaderOnly: true,
    probeIntervalMs: inactivityMs,
    keepAliveMs: KEEP_ALIVE_MS,
    // The connect timeout is at least the probe interval.
    connectTimeoutMs: Math.max(CONNECT_MS, inactivityMs),
    onEvent: (event) => {
      const level = event.type === "connecting" ? "debug" : event.type === "listener-error" ? "error" : "info";
      const { type, ...rest } = event;
      const { error, ...fields } = "error" in rest ? rest : { ...rest, error: undefined };
      log[level]({ ...fields, ...(error === undefined ? {} : { err: error }) }, `northbound connection: ${type}`);
    },
  });
  return new Northbound(client);
}

/**
 * A refusal is final: the same transaction would be refused again. (A clustered database may have applied it before it refused it; the engine checks
 * that.) If the server was left because it is not the leader any more, the transaction may be valid.
 */
function outcomeOf(error: unknown): CommitOutcome {
  const cause = error instanceof Error ? error : new Error(String(error));
  if (!(error instanceof OvsdbError)) return { kind: "refused", error: cause };
  if (error.code === "not owner") return { kind: "deposed" };
  if (!error.retryable && error.code !== "closed") return { kind: "refused", error };
  const left = error.cause instanceof OvsdbError && error.cause.code === "unsuitable server";
  return { kind: "unknown", error, dropped: error.code === "disconnected" && !left };
}
