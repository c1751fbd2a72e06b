// SPDX-License-Identifier: Apache-2.0

import type { Duplex } from "node:stream";
import type { Clock } from "../time/clock.ts";
import type { ClientEvent, ClientState, OvsdbClient, OvsdbOptions, TransactOptions } from "./client.ts";
import type { Dial } from "./dial.ts";
import { OvsdbError } from "./errors.ts";
import { Gate } from "./gate.ts";
import type { Json } from "./json.ts";
import { LeaderWatch } from "./leader-watch.ts";
import { Listeners } from "./listeners.ts";
import type { Lock } from "./lock.ts";
import { LockSet } from "./lock-set.ts";
import type { Mirror } from "./mirror.ts";
import { MirrorStore } from "./mirror-store.ts";
import { NextServer } from "./next-server.ts";
import type { Operation, OperationResult } from "./operation.ts";
import type { DatabaseSchema } from "./schema.ts";
import { type Selected, type Selection, tableRequests } from "./selection.ts";
import { ServerSession } from "./server-session.ts";
import type { SeenIndex } from "./server-status.ts";
import { sendTransaction } from "./transact.ts";

/** How long the server may take to answer after another one has reported that it leads, in ms. */
const URGENT_MS = 1_000;

/** What {@link Connection} needs from its environment. */
export interface ConnectionDependencies {
  readonly clock: Clock;
  readonly dial: Dial;
}

/** The state of the connection. Each phase owns the resources that are released when it ends. */
type Phase =
  | { readonly name: "waiting"; readonly cancel: () => void }
  | { readonly name: "dialing"; readonly remote: string; readonly abort: AbortController }
  /** Connected to a server whose suitability is not known yet. */
  | { readonly name: "greeting"; readonly remote: string; readonly server: ServerSession; readonly cancel: () => void }
  | {
      readonly name: "connected";
      readonly remote: string;
      readonly server: ServerSession;
      readonly since: number;
      /** Watches the other members, if only the leader is suitable. */
      readonly watch: LeaderWatch | undefined;
    }
  | { readonly name: "closed" };

/**
 * The life cycle of a connection:
 *
 *     dialing → greeting → connected ─┐ server unsuitable, silent or gone
 *        ↑ next remote               │
 *        └──────── waiting ←─────────┘ after a complete round of failures
 *
 * Every failure leads back to dialing; only `close()` ends it. Which server is dialled next, and when, is decided in `next-server.ts`.
 */
export class Connection implements OvsdbClient {
  readonly #options: OvsdbOptions;
  readonly #clock: Clock;
  readonly #dial: Dial;
  readonly #gate = new Gate();
  readonly #states: Listeners<ClientState>;
  readonly #locks: LockSet;
  /** Monitor id → its mirror. */
  readonly #mirrors = new Map<string, MirrorStore>();
  #phase: Phase = { name: "waiting", cancel: () => {} };
  #state: ClientState = "connecting";
  readonly #servers: NextServer;
  #seen: SeenIndex | undefined;
  #nextMirror = 1;

  constructor(options: OvsdbOptions, deps: ConnectionDependencies) {
    if (options.remotes.length === 0) throw new TypeError("no remote to connect to");
    this.#options = options;
    this.#clock = deps.clock;
    this.#dial = deps.dial;
    const onError = (error: unknown): void => this.#emit({ type: "listener-error", error });
    this.#states = new Listeners(onError);
    this.#locks = new LockSet(onError);
    this.#servers = new NextServer(options.remotes, this.#limits.maxBackoffMs, () => deps.clock.random());
    this.#dialNext();
  }

  get state(): ClientState {
    return this.#state;
  }

  get remote(): string | undefined {
    return "remote" in this.#phase ? this.#phase.remote : undefined;
  }

  onStateChange(listener: (state: ClientState) => void): () => void {
    return this.#states.add(listener);
  }

  whenConnected(signal?: AbortSignal): Promise<void> {
    return this.#gate.wait(signal);
  }

  transact(
    database: string,
    operations: readonly Operation[],
    options: TransactOptions = {},
  ): Promise<readonly OperationResult[]> {
    const phase = this.#phase;
    const { assertLock: lock } = options;
    const refuse = (error: OvsdbError): Promise<never> => Promise.reject(error);
    if (phase.name === "closed") return refuse(closedError());
    if (phase.name !== "connected") return refuse(new OvsdbError("not connected", "there is no connection"));
    if (lock !== undefined && !this.#locks.isHeld(lock)) {
      return refuse(new OvsdbError("not owner", `lock ${lock} is not held`));
    }
    return sendTransaction(phase.server, this.#clock, database, operations, options);
  }

  monitor<Tables, const Asked extends Selection<Tables>>(
    schema: DatabaseSchema<Tables>,
    selection: Asked,
  ): Mirror<Selected<Tables, Asked>> {
    if (this.#phase.name === "closed") throw closedError();
    const mirror = new MirrorStore(schema.name, tableRequests(schema, selection), {
      id: `weft-${this.#nextMirror++}`,
      onError: (error) => this.#emit({ type: "listener-error", error }),
      onClose: () => this.#dropMirror(mirror),
    });
    this.#mirrors.set(mirror.id, mirror);
    if (this.#phase.name === "connected") this.#restoreMirror(this.#phase.server, mirror);
    // The store knows its tables by name only; their row types are those of the schema from which it was created.
    return mirror as unknown as Mirror<Selected<Tables, Asked>>;
  }

  lock(name: string): Lock {
    return this.#addLock(name, false);
  }

  steal(name: string): Lock {
    return this.#addLock(name, true);
  }

  close(): Promise<void> {
    const phase = this.#phase;
    if (phase.name === "closed") return Promise.resolve();
    this.#phase = { name: "closed" };
    const error = closedError();
    if (phase.name === "dialing") phase.abort.abort(error);
    if (phase.name === "waiting" || phase.name === "greeting") phase.cancel();
    // A sent transaction may still be applied.
    const cut = new OvsdbError("disconnected", "the client was closed before the answer came");
    if (phase.name === "connected") phase.watch?.stop();
    if (phase.name === "greeting" || phase.name === "connected") phase.server.end(cut);
    for (const mirror of this.#mirrors.values()) mirror.end(error);
    this.#mirrors.clear();
    this.#locks.close(error);
    this.#setState("closed");
    this.#gate.close(error);
    this.#states.clear();
    return Promise.resolve();
  }

  #addLock(name: string, steal: boolean): Lock {
    if (this.#phase.name === "closed") throw closedError();
    return this.#locks.add(name, steal);
  }

  #dialNext(): void {
    const { connectTimeoutMs } = this.#limits;
    const remote = this.#servers.take();
    const abort = new AbortController();
    const phase: Phase = { name: "dialing", remote, abort };
    this.#phase = phase;
    this.#emit({ type: "connecting", remote });
    const late = new OvsdbError("connection", `not connected within ${connectTimeoutMs} ms`);
    const started = this.#clock.now();
    const cancel = this.#clock.after(connectTimeoutMs, () => abort.abort(late));
    this.#dial(remote, abort.signal).then(
      (stream) => {
        cancel();
        if (this.#phase !== phase) stream.destroy();
        else this.#greet(remote, stream, connectTimeoutMs - (this.#clock.now() - started));
      },
      (reason) => {
        cancel();
        if (this.#phase === phase) this.#lost(remote, OvsdbError.from(reason, "connection"));
      },
    );
  }

  #greet(remote: string, stream: Duplex, ms: number): void {
    const { database, leaderOnly = false, maxRequests = 1000, keepAliveMs } = this.#options;
    const { probeIntervalMs, maxMessageBytes } = this.#limits;
    const server = new ServerSession(stream, {
      clock: this.#clock,
      probeIntervalMs,
      keepAliveMs,
      maxMessageBytes,
      maxRequests,
      database,
      leaderOnly,
      seen: () => this.#seen,
      onSuitable: () => this.#greeted(remote, server),
      onSeen: (seen) => {
        this.#seen = seen;
      },
      onNotification: (method, params) => this.#notified(server, method, params),
      onEnd: (error) => this.#ended(remote, server, error),
    });
    const late = new OvsdbError("connection", "the server did not answer in time");
    const cancel = this.#clock.after(Math.max(ms, 0), () => server.fail(late));
    this.#phase = { name: "greeting", remote, server, cancel };
    server.greet();
  }

  #greeted(remote: string, server: ServerSession): void {
    if (this.#phase.name !== "greeting") return;
    this.#phase.cancel();
    this.#phase = { name: "connected", remote, server, since: this.#clock.now(), watch: this.#watch(remote, server) };
    this.#servers.connected();
    this.#emit({ type: "connected", remote, model: server.model, serverId: server.serverId });
    this.#locks.attach(server);
    for (const mirror of this.#mirrors.values()) this.#restoreMirror(server, mirror);
    // The last requests may have found that the connection is broken.
    if (this.#uses(server)) this.#setState("connected");
  }

  #watch(remote: string, server: ServerSession): LeaderWatch | undefined {
    const { remotes, database, leaderOnly = false } = this.#options;
    const others = remotes.filter((other) => other !== remote);
    if (!leaderOnly || others.length === 0 || server.model !== "clustered") return undefined;
    return new LeaderWatch({
      ...{ clock: this.#clock, dial: this.#dial, remotes: others, database, ...this.#limits },
      // The report may be outdated, from a server that was suspended: the present server is probed, and left if it
      // does not answer.
      onLeads: () => server.urge(URGENT_MS),
    });
  }

  #restoreMirror(server: ServerSession, mirror: MirrorStore): void {
    const { database } = mirror;
    try {
      const params = mirror.request(server.schemaOf(database), (table, column) =>
        this.#emit({ type: "schema-lacks", database, table, ...(column === undefined ? {} : { column }) }),
      );
      server.call("monitor_cond_since", params, (error, reply) => {
        // A mirror that cannot be restored makes the connection unusable: the next server is tried, and the event has
        // the reason.
        if (error !== undefined) return server.fail(error);
        if (this.#mirrors.get(mirror.id) !== mirror) return;
        const { resumed, changes } = mirror.takeReply(reply);
        this.#emit({ type: "synced", database, resumed, changes, rows: mirror.rowCount });
      });
    } catch (reason) {
      server.fail(OvsdbError.from(reason, "protocol"));
    }
  }

  #dropMirror(mirror: MirrorStore): void {
    this.#mirrors.delete(mirror.id);
    if (this.#phase.name !== "connected") return;
    const { server } = this.#phase;
    try {
      server.call("monitor_cancel", [mirror.id], () => {});
    } catch (reason) {
      server.fail(OvsdbError.from(reason, "protocol"));
    }
  }

  #notified(server: ServerSession, method: string, params: readonly Json[]): void {
    if (!this.#uses(server)) return;
    if (method === "update3") {
      const [id, transaction, updates] = params;
      // Updates that crossed this client's monitor_cancel have no mirror any more.
      if (typeof id === "string") this.#mirrors.get(id)?.takeUpdate(transaction, updates);
    } else if (method === "locked" || method === "stolen") {
      this.#locks.notify(method, params);
    } else if (method === "monitor_canceled") {
      throw new OvsdbError("disconnected", "the server has cancelled a monitor");
    }
  }

  #ended(remote: string, server: ServerSession, error: OvsdbError): void {
    const phase = this.#phase;
    if (phase.name === "greeting" && phase.server === server) {
      phase.cancel();
      this.#lost(remote, error);
    } else if (phase.name === "connected" && phase.server === server) {
      phase.watch?.stop();
      const lastedMs = this.#clock.now() - phase.since;
      this.#phase = { name: "waiting", cancel: () => {} };
      this.#locks.detach();
      for (const mirror of this.#mirrors.values()) mirror.suspend();
      this.#setState("connecting");
      this.#lost(remote, error, lastedMs);
    }
  }

  #uses(server: ServerSession): boolean {
    return this.#phase.name === "connected" && this.#phase.server === server;
  }

  /** A remote is not, or no longer, suitable: the next one is dialled, at once or after a pause. `lastedMs`: how long it was connected. */
  #lost(remote: string, error: OvsdbError, lastedMs?: number): void {
    this.#emit({ type: "disconnected", remote, error });
    // One of the listeners may have closed the client.
    if (this.#state === "closed") return;
    const pause = this.#servers.failed(lastedMs);
    if (pause === undefined) {
      this.#dialNext();
      return;
    }
    const { delayMs, attempt } = pause;
    const cancel = this.#clock.after(delayMs, () => this.#dialNext());
    this.#phase = { name: "waiting", cancel };
    this.#emit({ type: "backoff", delayMs, attempt });
  }

  /** The limits of each connection, this one and those of the watch. */
  get #limits() {
    const { probeIntervalMs = 5000, connectTimeoutMs = 5000, maxBackoffMs = 5000 } = this.#options;
    const { maxMessageBytes = 256 * 1024 * 1024 } = this.#options;
    return { probeIntervalMs, connectTimeoutMs, maxBackoffMs, maxMessageBytes };
  }

  #setState(state: ClientState): void {
    if (state === this.#state || this.#state === "closed") return;
    this.#state = state;
    this.#gate.set(state === "connected");
    this.#states.emit(state);
  }

  #emit(event: ClientEvent): void {
    try {
      this.#options.onEvent?.(event);
    } catch (error) {
      // No caller is left to receive the error, so it is thrown.
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

function closedError(): OvsdbError {
  return new OvsdbError("closed", "the client has been closed");
}
