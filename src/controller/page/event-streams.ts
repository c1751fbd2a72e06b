// SPDX-License-Identifier: Apache-2.0

import type { ServerResponse } from "node:http";
import type { FactChange } from "../../facts/fact-change.ts";
import type { StreamEvent } from "../../page/contract.ts";
import { PageError } from "../../page/page-error.ts";
import type { Viewer } from "../../page/viewer.ts";
import type { Timers } from "../../time/clock.ts";
import type { ChangeLog } from "./change-log.ts";

/** The most streams, and those of one account. */
const MAX_STREAMS = 64;
const MAX_OF_ACCOUNT = 8;
/** Changes are told once in so many ms. */
const BATCH_MS = 1_000;
/** How often a comment is sent, so that proxies keep the connection, and the account is asked for again. */
const BEAT_MS = 15_000;
/** So many bytes may wait for a client; one that reads more slowly is dropped. */
const MAX_WAITING = 64 * 1_024;

/** Who asks for a stream. */
export interface StreamRequest {
  readonly viewer: Viewer;
  /** The viewer as of now. Rejects where the login has ended. */
  readonly again: () => Promise<Viewer>;
  /** Whether changes of flows are to be told. */
  readonly flows: boolean;
  /** The header `Last-Event-ID`. */
  readonly last: string | undefined;
}

interface Stream extends Omit<StreamRequest, "viewer" | "last"> {
  readonly response: ServerResponse;
  viewer: Viewer;
  /** The id of the last batch that it has been told of. */
  last: string | undefined;
  /** It no longer needs flows. */
  readonly release: () => void;
}

/** The open streams of server-sent events (HTML, "Server-sent events"). */
export class EventStreams {
  readonly #log: ChangeLog;
  readonly #timers: Timers;
  readonly #holdFlows: () => () => void;
  readonly #streams = new Set<Stream>();
  #batch: (() => void) | undefined;
  #beat: (() => void) | undefined;

  /** `holdFlows`: called for each stream that is told of flows; the function returned at its end. */
  constructor(log: ChangeLog, timers: Timers, holdFlows: () => () => void = () => () => undefined) {
    this.#log = log;
    this.#timers = timers;
    this.#holdFlows = holdFlows;
  }

  get size(): number {
    return this.#streams.size;
  }

  /** Notes a change of a fact. Without a stream nothing is kept. */
  note(change: FactChange): void {
    if (this.#streams.size === 0 && this.#batch === undefined) return;
    if (this.#log.note(change)) this.#batchSoon();
  }

  /** Notes new flows with an end in these namespaces. */
  noteFlows(namespaces: Iterable<string>): void {
    if (this.#streams.size === 0) return;
    this.#log.noteFlows(namespaces);
    this.#batchSoon();
  }

  #batchSoon(): void {
    this.#batch ??= this.#timers.after(BATCH_MS, () => this.#tell());
  }

  /** Begins a stream. Throws a `PageError` where there are too many. */
  open(response: ServerResponse, { viewer, again, flows, last }: StreamRequest): void {
    // The client has gone while its account was asked for; it does not close again.
    if (response.destroyed) return;
    const own = [...this.#streams].filter((stream) => stream.viewer.user === viewer.user).length;
    if (this.#streams.size >= MAX_STREAMS || own >= MAX_OF_ACCOUNT)
      throw new PageError("busy", "too many pages of this account, or of all, follow changes", { retryAfter: 30 });
    const release = flows ? this.#holdFlows() : () => undefined;
    const stream: Stream = { response, viewer, again, flows, last, release };
    this.#streams.add(stream);
    response.on("close", () => this.#drop(stream));
    response.writeHead(200, {
      "content-type": "text/event-stream",
      "cache-control": "no-store",
      // nginx would keep events back.
      "x-accel-buffering": "no",
    });
    this.#beat ??= this.#timers.after(BEAT_MS, () => this.#onBeat());
    this.#log.flush();
    this.#catchUp(stream);
  }

  /** Ends all streams. */
  stop(): void {
    for (const stream of [...this.#streams]) this.#end(stream, "stopping");
    this.#batch?.();
    this.#batch = undefined;
  }

  #tell(): void {
    this.#batch = undefined;
    this.#log.flush();
    for (const stream of [...this.#streams]) this.#catchUp(stream);
  }

  #catchUp(stream: Stream): void {
    const event = this.#log.since(stream.last, stream.viewer, stream.flows);
    stream.last = this.#log.last;
    if (event !== undefined) this.#send(stream, event);
  }

  #onBeat(): void {
    this.#beat = undefined;
    for (const stream of [...this.#streams]) {
      stream.again().then(
        (viewer) => {
          stream.viewer = viewer;
        },
        (error: unknown) => {
          // A stream does not end because the API server does not answer.
          if (error instanceof PageError && error.code === "unauthenticated") this.#end(stream, "expired");
        },
      );
      this.#write(stream, ":\n\n");
    }
    if (this.#streams.size > 0) this.#beat = this.#timers.after(BEAT_MS, () => this.#onBeat());
  }

  #send(stream: Stream, event: StreamEvent): void {
    const id = event.type === "end" ? "" : `id: ${stream.last}\n`;
    this.#write(stream, `event: ${event.type}\n${id}data: ${JSON.stringify(event)}\n\n`);
  }

  #write(stream: Stream, text: string): void {
    if (stream.response.writableLength > MAX_WAITING) this.#end(stream, "slow");
    else stream.response.write(text);
  }

  #end(stream: Stream, reason: (StreamEvent & { readonly type: "end" })["reason"]): void {
    // Two beats may learn at once that a login has ended.
    if (!this.#streams.has(stream)) return;
    this.#drop(stream);
    const event: StreamEvent = { type: "end", reason };
    stream.response.end(`event: end\ndata: ${JSON.stringify(event)}\n\n`);
    // A client that does not read does not end either.
    if (reason === "slow") stream.response.destroy();
  }

  #drop(stream: Stream): void {
    if (!this.#streams.delete(stream)) return;
    stream.release();
    if (this.#streams.size > 0) return;
    this.#beat?.();
    this.#beat = undefined;
  }
}
