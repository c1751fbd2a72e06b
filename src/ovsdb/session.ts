// SPDX-License-Identifier: Apache-2.0

import type { Duplex } from "node:stream";
import type { Clock } from "../time/clock.ts";
import { OvsdbError } from "./errors.ts";
import { frameMessage, MessageSplitter } from "./framing.ts";
import type { Json, JsonObject } from "./json.ts";
import { type Message, notificationJson, parseMessage, replyJson, requestJson } from "./message.ts";
import { Probe } from "./probe.ts";

/** Called with the answer to a request: the result or the error. Called once, or never if cancelled. */
export type ReplyHandler = (error: OvsdbError | undefined, result: Json) => void;

/** Options of {@link Session}. */
export interface SessionOptions {
  readonly clock: Clock;
  readonly probeIntervalMs: number;
  /** See `OvsdbOptions.keepAliveMs`. */
  readonly keepAliveMs?: number | undefined;
  readonly maxMessageBytes: number;
  readonly maxRequests: number;
  readonly onNotification: (method: string, params: readonly Json[]) => void;
  /** Called once when the session has ended for any reason but `end()`, after all requests have been answered with `disconnected`. */
  readonly onEnd: (error: OvsdbError) => void;
}

/**
 * JSON-RPC 1.0 over one connection (RFC 7047 §4). Answers echo requests, probes a silent peer, and matches replies to
 * requests. Replies and notifications are passed on synchronously in the order of arrival: when a handler returns,
 * all earlier messages have been processed.
 */
export class Session {
  readonly #stream: Duplex;
  readonly #options: SessionOptions;
  readonly #splitter: MessageSplitter;
  readonly #probe: Probe;
  /** Request id → its handler. */
  readonly #pending = new Map<number, ReplyHandler>();
  #nextId = 1;
  #ended = false;
  #cancelKeepAlive: () => void = () => {};

  constructor(stream: Duplex, options: SessionOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#splitter = new MessageSplitter(options.maxMessageBytes);
    this.#probe = new Probe(options.clock, options.probeIntervalMs, {
      ask: () => this.#ask(),
      silent: (ms) => this.fail(new OvsdbError("disconnected", `the server has not answered for ${Math.round(ms)} ms`)),
    });
    this.#keepAlive();
    stream.on("data", (chunk: Uint8Array) => this.#receive(chunk));
    stream.on("error", (cause) => this.fail(new OvsdbError("disconnected", cause.message, { cause })));
    const closed = (): void => this.fail(new OvsdbError("disconnected", "the server closed the connection"));
    stream.on("end", closed);
    stream.on("close", closed);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Sends a request; returns a function that cancels it, so that its handler is not called any more (and a `transact`
   * that still waits on the server is cancelled there, RFC 7047 §4.1.4). Throws OvsdbError `overloaded`, `too large`
   * or `disconnected`: nothing was sent.
   */
  call(method: string, params: readonly Json[], onReply: ReplyHandler): () => void {
    if (this.#pending.size >= this.#options.maxRequests) {
      throw new OvsdbError("overloaded", `${this.#pending.size} requests are waiting for a reply`);
    }
    const id = this.#nextId++;
    this.#send(requestJson(method, params, id));
    this.#pending.set(id, onReply);
    return () => {
      if (this.#pending.delete(id) && method === "transact" && !this.#ended)
        this.#send(notificationJson("cancel", [id]));
    };
  }

  /** Closes the connection unless the server sends a message within `ms`. */
  urge(ms: number): void {
    if (!this.#ended) this.#probe.urge(ms);
  }

  /** Ends the session: requests are answered with `error`, the connection is closed, `onEnd` is not called. */
  end(error: OvsdbError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#probe.stop();
    this.#cancelKeepAlive();
    this.#stream.destroy();
    const handlers = [...this.#pending.values()];
    this.#pending.clear();
    for (const handler of handlers) handler(error, null);
  }

  #keepAlive(): void {
    const { clock, keepAliveMs } = this.#options;
    if (keepAliveMs === undefined) return;
    this.#cancelKeepAlive = clock.after(keepAliveMs, () => {
      this.#ask();
      if (!this.#ended) this.#keepAlive();
    });
  }

  /** Any message of the server ends its silence, so this reply is not waited for, and it does not count as a request. */
  #ask(): void {
    try {
      this.#send(requestJson("echo", [], "probe"));
    } catch (reason) {
      this.fail(OvsdbError.from(reason, "disconnected"));
    }
  }

  /**
   * Ends the session and calls `onEnd`, as a broken connection does. Requests are answered with `disconnected`:
   * whatever the reason, they have been sent, and their outcome is unknown.
   */
  fail(error: OvsdbError): void {
    if (this.#ended) return;
    const gone =
      error.code === "disconnected" ? error : new OvsdbError("disconnected", error.message, { cause: error });
    this.end(gone);
    this.#options.onEnd(error);
  }

  #send(message: JsonObject): void {
    if (this.#ended) throw new OvsdbError("disconnected", "the connection has ended");
    const { maxMessageBytes } = this.#options;
    // A slow peer must not make this process buffer more than one message of maximum size.
    if (this.#stream.writableLength > maxMessageBytes)
      throw new OvsdbError("overloaded", "the server does not read its requests");
    this.#stream.write(frameMessage(message, maxMessageBytes));
  }

  #receive(chunk: Uint8Array): void {
    if (this.#ended) return;
    this.#probe.heard();
    try {
      this.#splitter.push(chunk, (json) => this.#handle(parseMessage(json)));
    } catch (reason) {
      this.fail(OvsdbError.from(reason, "protocol"));
    }
  }

  #handle(message: Message): void {
    if (this.#ended) return;
    switch (message.kind) {
      case "reply": {
        // Replies to cancelled requests are ignored.
        const handler = typeof message.id === "number" ? this.#pending.get(message.id) : undefined;
        if (handler === undefined) return;
        this.#pending.delete(message.id as number);
        if (message.error === null) handler(undefined, message.result);
        else handler(OvsdbError.fromServer(message.error), null);
        return;
      }
      case "request":
        this.#send(
          message.method === "echo"
            ? replyJson(message.id, message.params)
            : replyJson(message.id, null, { error: "unknown method", details: message.method }),
        );
        return;
      case "notification":
        this.#options.onNotification(message.method, message.params);
    }
  }
}
