// SPDX-License-Identifier: Apache-2.0

import type { Duplex } from "node:stream";
import { OvsdbError } from "../../errors.ts";
import { frameMessage, MessageSplitter } from "../../framing.ts";
import type { Json, JsonObject } from "../../json.ts";
import { type Message, notificationJson, parseMessage, replyJson } from "../../message.ts";
import type { AnyChange } from "../../mirror-table.ts";
import { SMALLEST_REAL, ZERO_UUID } from "../../value.ts";
import { errorJson, OperationFailure } from "./failure.ts";
import { MemoryMonitor } from "./monitor.ts";
import type { MemoryStore } from "./store.ts";

const MAX_BYTES = 256 * 1024 * 1024;

/** The part of the server that a session uses. */
export interface SessionHost {
  store(database: Json | undefined): MemoryStore;
  transact(session: MemorySession, id: Json, params: readonly Json[]): void;
  cancel(session: MemorySession, id: Json): void;
  lock(session: MemorySession, method: string, name: string): Json;
  ended(session: MemorySession): void;
}

/** The server's end of one connection. */
export class MemorySession {
  readonly #stream: Duplex;
  readonly #host: SessionHost;
  readonly #splitter = new MessageSplitter(MAX_BYTES);
  readonly #monitors = new Map<string, MemoryMonitor>();
  /** Messages that were received while the server was paused. */
  #held: Message[] | undefined;

  constructor(stream: Duplex, host: SessionHost) {
    this.#stream = stream;
    this.#host = host;
    stream.on("data", (chunk: Uint8Array) => {
      try {
        this.#splitter.push(chunk, (json) => {
          if (!isReadable(json)) throw new OvsdbError("protocol", "a message that ovsdb-server cannot read");
          this.#receive(parseMessage(json));
        });
      } catch (error) {
        if (!(error instanceof OvsdbError)) throw error;
        // ovsdb-server does not report the reason either.
        stream.destroy();
      }
    });
    stream.on("error", () => stream.destroy());
    stream.on("end", () => stream.destroy());
    stream.on("close", () => host.ended(this));
  }

  /** Processes no more messages until `resume`. */
  pause(): void {
    this.#held ??= [];
  }

  resume(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const message of held) this.#receive(message);
  }

  cut(): void {
    this.#stream.destroy();
  }

  send(message: JsonObject): void {
    const bytes = frameMessage(message, MAX_BYTES);
    // The pair delivers synchronously, during the other side's call; a real server answers later.
    process.nextTick(() => {
      if (!this.#stream.destroyed) this.#stream.write(bytes);
    });
  }

  /** Passes a commit to the session's monitors. */
  notify(store: MemoryStore, changes: readonly AnyChange[]): void {
    for (const monitor of this.#monitors.values()) {
      if (monitor.store !== store) continue;
      const updates = monitor.updates(changes);
      if (updates !== undefined) this.send(notificationJson("update3", [monitor.id, store.last, updates]));
    }
  }

  #receive(message: Message): void {
    if (this.#held !== undefined) {
      this.#held.push(message);
    } else if (message.kind === "notification" && message.method === "cancel") {
      this.#host.cancel(this, message.params[0] ?? null);
    } else if (message.kind === "request") {
      try {
        const result = this.#answer(message.method, message.params, message.id);
        if (result !== undefined) this.send(replyJson(message.id, result));
      } catch (error) {
        this.send(replyJson(message.id, null, errorJson(error)));
      }
    }
  }

  /** The result, or undefined if it follows later. */
  #answer(method: string, params: readonly Json[], id: Json): Json | undefined {
    switch (method) {
      case "echo":
        return params;
      case "transact":
        this.#host.transact(this, id, params);
        return undefined;
      case "monitor_cond_since":
        return this.#monitor(params);
      case "monitor_cancel":
        if (!this.#monitors.delete(JSON.stringify(params[0]))) throw new OperationFailure("unknown monitor", "");
        return {};
      case "lock":
      case "steal":
      case "unlock":
        return this.#host.lock(this, method, String(params[0] as string));
      default:
        throw new OperationFailure("unknown method", method);
    }
  }

  #monitor([database, id = null, requests = {}, since = ZERO_UUID]: readonly Json[]): Json {
    const key = JSON.stringify(id);
    if (this.#monitors.has(key)) throw new OperationFailure("syntax error", "duplicate monitor ID");
    const store = this.#host.store(database);
    const monitor = new MemoryMonitor(id, store, requests);
    this.#monitors.set(key, monitor);
    const changes = store.since(String(since as string));
    if (changes === undefined) return [false, store.last, monitor.initial()];
    return [true, store.last, monitor.updates(changes) ?? {}];
  }
}

/** An unpaired high surrogate: the only malformed text that ovsdb-server's parser detects by itself. */
const UNPAIRED = /[\ud800-\udbff](?![\udc00-\udfff])/;

/** Whether ovsdb-server's JSON parser (lib/json.c) accepts it; else it ends the connection. */
function isReadable(json: Json | undefined): boolean {
  if (typeof json === "string") return !json.includes("\0") && !UNPAIRED.test(json);
  if (typeof json === "number") return Number.isFinite(json) && (json === 0 || Math.abs(json) >= SMALLEST_REAL);
  if (typeof json !== "object" || json === null) return true;
  if (Array.isArray(json)) return (json as readonly Json[]).every(isReadable);
  return Object.entries(json).every(([key, value]) => isReadable(key) && isReadable(value));
}
