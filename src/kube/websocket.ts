// SPDX-License-Identifier: Apache-2.0

import type { IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import { KubeError } from "./errors.ts";
import { networkError, readBody, type SocketAccess } from "./transport.ts";

/** How a WebSocket is opened. */
export interface SocketRequest {
  /** The operation, for messages: `exec in pod ovs-1`. */
  readonly what: string;
  /** Path and query. */
  readonly path: string;
  /** Subprotocols, the preferred one first. */
  readonly protocols: readonly string[];
  /** Ends the connection at any time. */
  readonly signal: AbortSignal;
  /** To connect, with TLS and the answer of the API server; default 20 s. */
  readonly connectMs?: number;
}

/** What is called with the events of a WebSocket. */
export interface SocketEvents {
  /** A binary message. While the returned promise is pending, nothing more is received, and at most some received messages are buffered. */
  message(data: Buffer, socket: KubeSocket): Promise<void> | undefined;
  /** The connection has ended, once. `cause`: it broke. */
  closed(cause: KubeError | undefined): void;
}

/** An open WebSocket. */
export interface KubeSocket {
  /** The subprotocol that the API server has chosen. */
  readonly protocol: string;
  /** Resolves when the kernel has taken the message; rejects with a KubeError if the connection has ended. */
  send(data: Uint8Array): Promise<void>;
  /** Ends the connection normally; by force if the API server does not answer. */
  close(): void;
}

const CONNECT_MS = 20_000;
/** Between two pings. One without an answer until the next one ends the connection. */
const PING_MS = 20_000;
/** The API server reads a ping behind what was sent before; a program that does not read its input can delay that once buffers on the way are full. */
const UNREAD_BYTES = 16 * 1024;
/** For the other side's answer to a close. */
const CLOSE_MS = 2_000;
const MAX_MESSAGE = 16 * 2 ** 20;
const MAX_REFUSAL = 64 * 1024;

/**
 * Opens a WebSocket (RFC 6455) to the API server. Rejects with a KubeError: of the API server's answer if it refuses, with `timeout` after `connectMs`, with `unavailable` if there is no connection.
 */
export async function openWebSocket(
  access: SocketAccess,
  request: SocketRequest,
  events: SocketEvents,
): Promise<KubeSocket> {
  const { what, signal, connectMs = CONNECT_MS } = request;
  const late = new AbortController();
  const timer = setTimeout(
    () => late.abort(new KubeError("timeout", `${what}: no connection within ${connectMs} ms`)),
    connectMs,
  );
  const both = AbortSignal.any([signal, late.signal]);
  try {
    for (let mayRefresh = true; ; mayRefresh = false) {
      try {
        return await handshake(access, request, both, events);
      } catch (error) {
        const refused = error instanceof KubeError && error.code === "unauthorized";
        if (!refused || !mayRefresh || !access.refused()) throw error;
      }
    }
  } catch (error) {
    if (late.signal.aborted) throw KubeError.from(late.signal.reason, what);
    if (signal.aborted) throw new KubeError("aborted", `${what}: aborted by the caller`, { cause: signal.reason });
    throw KubeError.from(error, what);
  } finally {
    clearTimeout(timer);
  }
}

async function handshake(
  access: SocketAccess,
  { what, path, protocols, signal }: SocketRequest,
  connecting: AbortSignal,
  events: SocketEvents,
): Promise<KubeSocket> {
  const { url, headers, agent } = await access.dial({ path, what, signal: connecting });
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const { promise, resolve, reject } = Promise.withResolvers<KubeSocket>();
  const socket = new WebSocket(url, [...protocols], {
    ...{ agent, headers: { ...headers }, maxPayload: MAX_MESSAGE, perMessageDeflate: false },
  });
  socket.binaryType = "nodebuffer";
  const abort = (): void => socket.terminate();
  connecting.addEventListener("abort", abort, { once: true });
  socket.once("unexpected-response", (_, answer: IncomingMessage) => {
    readBody(answer, MAX_REFUSAL, what)
      .then((text) => reject(refusal(answer.statusCode ?? 0, text, what)))
      .catch(reject)
      .finally(abort);
  });
  socket.once("close", () => reject(new KubeError("unavailable", `${what}: the connection was closed`)));
  socket.on("error", (error) => reject(networkError(error, what)));
  socket.once("open", () => {
    connecting.removeEventListener("abort", abort);
    // Messages may be received before the caller's promise has resolved.
    resolve(opened(socket, what, signal, events));
  });
  return await promise;
}

/** A WebSocket of the API begins with 101; any other answer is an error, a success too. */
function refusal(status: number, text: string, what: string): KubeError {
  if (status >= 400) return KubeError.fromAnswer(status, text, what);
  return new KubeError("protocol", `${what}: HTTP ${status} instead of a WebSocket; is a proxy in between?`, {
    status,
  });
}

function opened(socket: WebSocket, what: string, signal: AbortSignal, events: SocketEvents): KubeSocket {
  let failure: KubeError | undefined;
  let answered = true;
  let sentBytes = 0;
  let closing: NodeJS.Timeout | undefined;
  let pending = 0;
  const terminate = (): void => socket.terminate();
  const abort = (): void => {
    failure = new KubeError("aborted", `${what}: aborted by the caller`, { cause: signal.reason });
    socket.terminate();
  };
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  const pings = setInterval(() => {
    if (!answered && sentBytes < UNREAD_BYTES && !socket.isPaused) {
      failure = new KubeError("unavailable", `${what}: the API server has not answered for ${PING_MS / 1_000} s`);
      socket.terminate();
      return;
    }
    answered = false;
    socket.ping();
  }, PING_MS);
  socket.on("pong", () => {
    answered = true;
  });
  socket.on("message", (data: Buffer) => {
    answered = true;
    const taking = events.message(data, self);
    if (taking === undefined) return;
    pending++;
    socket.pause();
    const resume = (): void => {
      if (--pending === 0) socket.resume();
    };
    taking.then(resume, resume);
  });
  socket.on("error", (error) => {
    failure ??= networkError(error, what);
  });
  socket.once("close", (code) => {
    clearInterval(pings);
    clearTimeout(closing);
    signal.removeEventListener("abort", abort);
    // 1005: no code, as kube-apiserver closes; 1006: without a close frame (RFC 6455 §7.4.1).
    if (code !== 1000 && code !== 1005) failure ??= new KubeError("unavailable", `${what}: the connection broke`);
    events.closed(failure);
  });
  const self: KubeSocket = {
    protocol: socket.protocol,
    send(data) {
      sentBytes += data.length;
      const sent = Promise.withResolvers<void>();
      socket.send(data, (error) => (error ? sent.reject(networkError(error, what)) : sent.resolve()));
      return sent.promise;
    },
    close() {
      socket.close();
      closing ??= setTimeout(terminate, CLOSE_MS);
    },
  };
  return self;
}
