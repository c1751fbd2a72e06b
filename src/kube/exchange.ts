// SPDX-License-Identifier: Apache-2.0

import type { IncomingMessage } from "node:http";
import { type Clock, SYSTEM_CLOCK } from "../time/clock.ts";
import { pause } from "./abort.ts";
import { KubeError } from "./errors.ts";
import type { CallOptions } from "./kube.ts";
import { limiter } from "./limiter.ts";
import { lineDecoder } from "./lines.ts";
import { readBody, readChunks, StaleConnection, type Transport } from "./transport.ts";

/** Limits of an {@link Exchange}. */
export interface ExchangeOptions {
  readonly clock?: Pick<Clock, "now" | "after">;
  /** Calls in flight, watches not counted; default 32. */
  readonly maxRunning?: number;
  /** Calls waiting for one of those to end; default 1,024. One more is rejected with `overloaded`. */
  readonly maxWaiting?: number;
  /** Of a whole answer, so of one page of a list; default 64 MiB. */
  readonly maxAnswerBytes?: number;
  /** Of one event of a watch; default 8 MiB (etcd stores at most 1.5 MiB an object). */
  readonly maxEventBytes?: number;
  /** Default deadline of a call; default 30 s. */
  readonly deadlineMs?: number;
}

/** One request to the API server. */
export interface ApiRequest {
  /** The operation, for messages: `list pods`. */
  readonly what: string;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
  /** Media types of the answer; default `application/json`. */
  readonly accept?: string;
}

/** Maximum number of repeats of a call that the API server asked to repeat later, and maximum delay of each. */
const MAX_REPEATS = 4;
const MAX_REPEAT_AFTER_MS = 10_000;
const DEFAULT_REPEAT_AFTER_MS = 1_000;

/**
 * Sends requests and receives their answers, with a deadline, a limit on concurrent calls, and the repeats that are
 * safe.
 */
export interface Exchange {
  /** The text of a successful answer. */
  call(request: ApiRequest, options: CallOptions): Promise<string>;
  /** Opens a successful answer whose end is not waited for: resolves with its head, by the default deadline. After that, `signal` ends it. */
  stream(request: ApiRequest, signal: AbortSignal): Promise<IncomingMessage>;
  /** Passes the lines of an endless answer to `onLine`; resolves when the API server ends it normally. */
  follow(request: ApiRequest, signal: AbortSignal, onOpen: () => void, onLine: (line: string) => void): Promise<void>;
}

/** An {@link Exchange} over `transport`. */
export function exchangeOver(transport: Transport, options: ExchangeOptions): Exchange {
  const clock = options.clock ?? SYSTEM_CLOCK;
  const limit = limiter(options.maxRunning ?? 32, options.maxWaiting ?? 1_024);
  const maxAnswerBytes = options.maxAnswerBytes ?? 64 * 2 ** 20;
  const maxEventBytes = options.maxEventBytes ?? 8 * 2 ** 20;

  /** Sends the request and opens its answer, again with new credentials or a new connection if that may help. */
  async function open(request: ApiRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    let mayRefresh = true;
    let mayReconnect = true;
    for (;;) {
      try {
        const answer = await transport.open({
          method: request.method,
          path: request.path,
          headers: {
            ...(body === undefined ? {} : { "content-type": request.contentType ?? "application/json" }),
            ...(request.accept === undefined ? {} : { accept: request.accept }),
          },
          ...(body === undefined ? {} : { body }),
          signal,
          what: request.what,
        });
        if (answer.statusCode !== 401 || !mayRefresh) return answer;
        mayRefresh = false;
        if (!transport.refused()) return answer;
        answer.resume();
      } catch (error) {
        // A creation is not sent twice: if the first one arrived, the second would fail with `exists`.
        const stale = error instanceof KubeError && error.cause instanceof StaleConnection;
        if (!stale || !mayReconnect || request.method === "POST") throw error;
        mayReconnect = false;
      }
    }
  }

  /** The text of a successful answer; waits and repeats while the API server asks for that. */
  async function exchange(request: ApiRequest, signal: AbortSignal): Promise<string> {
    for (let repeats = 0; ; repeats++) {
      const answer = await open(request, signal);
      const status = answer.statusCode ?? 0;
      const text = await readBody(answer, maxAnswerBytes, request.what);
      if (status >= 200 && status < 300) return text;
      const afterMs = repeatAfter(status, answer.headers["retry-after"]);
      if (afterMs === undefined || repeats >= MAX_REPEATS) throw KubeError.fromAnswer(status, text, request.what);
      await pause(clock, afterMs, signal);
    }
  }

  /** The head of a successful answer; rejects with the error that another one contains. */
  async function openOk(request: ApiRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const answer = await open(request, signal);
    if (answer.statusCode === 200) return answer;
    const text = await readBody(answer, maxAnswerBytes, request.what);
    throw KubeError.fromAnswer(answer.statusCode ?? 0, text, request.what);
  }

  return {
    async stream(request, signal) {
      const ending = endingOf(request, signal);
      const deadlineMs = options.deadlineMs ?? 30_000;
      const stopDeadline = clock.after(deadlineMs, () => ending.end("timeout", `no answer within ${deadlineMs} ms`));
      try {
        ending.signal.throwIfAborted();
        const answer = await openOk(request, ending.signal);
        answer.once("close", ending.release);
        return answer;
      } catch (error) {
        ending.release();
        throw ending.errorOf(error);
      } finally {
        stopDeadline();
      }
    },
    async call(request, callOptions) {
      const ending = endingOf(request, callOptions.signal);
      let leaveQueue: (reason: KubeError) => void = () => undefined;
      ending.signal.addEventListener("abort", () => leaveQueue(ending.signal.reason as KubeError), { once: true });
      const deadlineMs = callOptions.deadlineMs ?? options.deadlineMs ?? 30_000;
      const stopDeadline = clock.after(deadlineMs, () => ending.end("timeout", `no answer within ${deadlineMs} ms`));
      try {
        ending.signal.throwIfAborted();
        return await limit.run(
          async () => await exchange(request, ending.signal),
          (cancel) => {
            leaveQueue = cancel;
          },
        );
      } catch (error) {
        throw ending.errorOf(error);
      } finally {
        stopDeadline();
        ending.release();
      }
    },
    async follow(request, signal, onOpen, onLine) {
      const ending = endingOf(request, signal);
      try {
        ending.signal.throwIfAborted();
        const answer = await openOk(request, ending.signal);
        onOpen();
        const lines = lineDecoder(maxEventBytes, onLine);
        await readChunks(answer, request.what, (chunk) => lines.push(chunk));
        if (lines.pendingBytes > 0)
          throw new KubeError("unavailable", `${request.what}: the stream ended within an event`);
      } catch (error) {
        throw ending.errorOf(error);
      } finally {
        ending.release();
      }
    },
  };
}

/** The early end of a call: by the caller's signal or by the deadline. */
interface Ending {
  readonly signal: AbortSignal;
  end(code: "timeout" | "aborted", text: string, cause?: unknown): void;
  /** The error to reject with: the early end, if there was one, not its effect on the connection. */
  errorOf(error: unknown): KubeError;
  release(): void;
}

function endingOf(request: ApiRequest, caller: AbortSignal | undefined): Ending {
  const controller = new AbortController();
  const end: Ending["end"] = (code, text, cause) =>
    controller.abort(new KubeError(code, `${request.what}: ${text}`, { cause }));
  const onAbort = (): void => end("aborted", "aborted by the caller", caller?.reason);
  if (caller?.aborted) onAbort();
  else caller?.addEventListener("abort", onAbort, { once: true });
  return {
    signal: controller.signal,
    end,
    errorOf: (error) => KubeError.from(controller.signal.aborted ? controller.signal.reason : error, request.what),
    release: () => caller?.removeEventListener("abort", onAbort),
  };
}

/** Milliseconds after which the call should be repeated; undefined: not at all. */
function repeatAfter(status: number, header: string | undefined): number | undefined {
  // As in client-go: a 5xx is repeated only if the API server gives a time; it has then not acted on the request.
  if (status !== 429 && !(status >= 500 && header !== undefined)) return undefined;
  const seconds = Number(header);
  const afterMs =
    header === undefined || !Number.isFinite(seconds) || seconds < 0 ? DEFAULT_REPEAT_AFTER_MS : seconds * 1_000;
  return Math.min(afterMs, MAX_REPEAT_AFTER_MS);
}
