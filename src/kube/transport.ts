// SPDX-License-Identifier: Apache-2.0

import http from "node:http";
import https from "node:https";
import { StringDecoder } from "node:string_decoder";
import { untilAborted } from "./abort.ts";
import type { ClusterAccess, TlsMaterial } from "./config.ts";
import type { Identity } from "./credentials.ts";
import { KubeError } from "./errors.ts";

/** One HTTP request. */
export interface HttpCall {
  readonly method: string;
  /** Path and query, relative to the address of the API server. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Ends the request; the call then rejects with its reason, a `KubeError`. */
  readonly signal: AbortSignal;
  /** The operation, for messages: `list pods`. */
  readonly what: string;
}

/** How a connection to the API server is opened that is not a request with an answer. */
export interface DialOptions {
  /** With the scheme `http` or `https`. */
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Holds the certificates. */
  readonly agent: http.Agent;
}

/** Sends requests over kept connections. */
export interface Transport {
  /** Resolves when the head of the answer was received, whatever its status. The body must be read or destroyed. */
  open(call: HttpCall): Promise<http.IncomingMessage>;
  /** How a WebSocket to this path and query is opened, with the current credentials; see `websocket.ts`. */
  dial(call: Pick<HttpCall, "path" | "signal" | "what">): Promise<DialOptions>;
  /** The API server answered 401. True if another attempt would use credentials that are read again. */
  refused(): boolean;
  /** Closes all connections; running calls reject. */
  close(): void;
}

/** What of a {@link Transport} opens WebSockets. */
export type SocketAccess = Pick<Transport, "dial" | "refused">;

/**
 * kube-apiserver closes connections after 90 s without a request; the client closes them before, so that none is
 * closed under a new request.
 */
const IDLE_MS = 60_000;
/** After this time without traffic the kernel sends keep-alive probes; libuv gives up 10 s later. */
const KEEP_ALIVE_MS = 30_000;

/** A {@link Transport} by HTTP/1.1. `node:https` rather than `fetch`, which costs 8 MiB of resident memory at its first use. */
export function httpTransport(access: ClusterAccess, userAgent: string): Transport {
  const secure = access.server.protocol === "https:";
  const base = access.server.pathname.replace(/\/$/, "");
  let agent: Promise<http.Agent> | undefined;
  /** The client certificate of the agent, if a credential plugin returned one. */
  let agentCert: string | undefined;
  let closed = false;
  /** Running requests, watches included, of all agents. */
  const running = new Set<http.ClientRequest>();

  const dropAgent = (): void => {
    const old = agent;
    agent = undefined;
    // Only idle connections are closed: running calls on this agent may end normally.
    old?.then(dropIdle, () => undefined);
  };
  const currentAgent = async (identity: Identity): Promise<http.Agent> => {
    if (agent !== undefined && agentCert !== identity.cert) dropAgent();
    if (agent === undefined) {
      agentCert = identity.cert;
      const made = (async () => newAgent(secure ? await access.tls() : undefined, identity))();
      agent = made;
      // A certificate file that could not be read now may exist at the next attempt.
      made.catch(() => {
        if (agent === made) agent = undefined;
      });
    }
    return await agent;
  };

  const dial: Transport["dial"] = async ({ path, signal, what }) => {
    const identity = await untilAborted(access.credentials.identity(), signal);
    const used = await untilAborted(currentAgent(identity), signal);
    if (closed) throw new KubeError("aborted", `${what}: the connection is closed`);
    signal.throwIfAborted();
    const url = new URL(base + path, access.server);
    return { url, headers: { "user-agent": userAgent, ...identity.headers }, agent: used };
  };

  return {
    dial,
    async open(call) {
      const dialled = await dial(call);
      const headers: Record<string, string | number> = {
        accept: "application/json",
        ...dialled.headers,
        ...call.headers,
      };
      if (call.body !== undefined) headers["content-length"] = Buffer.byteLength(call.body);
      const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
      const request = (secure ? https : http).request({
        agent: dialled.agent,
        host: access.server.hostname.replace(/^\[|\]$/g, ""),
        port: access.server.port === "" ? (secure ? 443 : 80) : Number(access.server.port),
        method: call.method,
        path: base + call.path,
        headers,
      });
      const abort = (): void => void request.destroy(call.signal.reason as Error);
      call.signal.addEventListener("abort", abort, { once: true });
      running.add(request);
      request.once("close", () => {
        running.delete(request);
        call.signal.removeEventListener("abort", abort);
      });
      request.once("socket", (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS));
      request.once("response", resolve);
      request.on("error", (error: Error) => {
        if (isTlsFailure(error)) dropAgent();
        reject(networkError(error, call.what, request.reusedSocket));
      });
      request.end(call.body);
      return await promise;
    },
    refused() {
      return access.credentials.refused();
    },
    close() {
      closed = true;
      dropAgent();
      for (const request of running) request.destroy(new KubeError("aborted", "the connection is closed"));
    },
  };
}

/** Thrown (as `cause`) when a kept connection turned out to be closed: the request most likely never arrived. */
export class StaleConnection extends Error {
  override readonly name = "StaleConnection";
}

/** Reads an answer to its end. Rejects with `too-large` beyond `maxBytes`, with `unavailable` if the connection breaks. */
export async function readBody(answer: http.IncomingMessage, maxBytes: number, what: string): Promise<string> {
  // Decoded piece by piece: joining the buffers first would keep the answer twice, outside of V8's accounting.
  const decoder = new StringDecoder("utf8");
  let text = "";
  let size = 0;
  await readChunks(answer, what, (chunk) => {
    size += chunk.length;
    if (size > maxBytes) throw new KubeError("too-large", `${what}: the answer exceeds ${maxBytes} bytes`);
    text += decoder.write(chunk);
  });
  return text + decoder.end();
}

/** Passes each received piece to `onChunk`; an error that it throws ends the reading and is the rejection. */
export async function readChunks(
  answer: http.IncomingMessage,
  what: string,
  onChunk: (chunk: Buffer) => void,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  answer.on("data", (chunk: Buffer) => {
    try {
      onChunk(chunk);
    } catch (error) {
      // No more pieces may reach `onChunk`, though more may already be received.
      answer.removeAllListeners("data");
      reject(error);
      answer.destroy();
    }
  });
  answer.once("end", resolve);
  const broken = (cause?: Error): void =>
    reject(new KubeError("unavailable", `${what}: the connection broke before the end of the answer`, { cause }));
  answer.once("error", broken);
  answer.once("close", () => (answer.complete ? resolve() : broken()));
  await promise;
}

function newAgent(tls: TlsMaterial | undefined, identity: Identity): http.Agent {
  const options: http.AgentOptions = {
    keepAlive: true,
    keepAliveMsecs: KEEP_ALIVE_MS,
    timeout: IDLE_MS,
    // The default number of concurrent calls of an exchange: a connection that is closed between two bursts costs a
    // TLS handshake in the next.
    maxFreeSockets: 32,
    // The most recently used connection is the least likely to have been closed by the server.
    scheduling: "lifo",
  };
  if (tls === undefined) return new http.Agent(options);
  return new https.Agent({
    ...options,
    ...tls,
    ...(identity.cert === undefined ? {} : { cert: identity.cert }),
    ...(identity.key === undefined ? {} : { key: identity.key }),
  });
}

function dropIdle(agent: http.Agent): void {
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
}

/** What a failed connection is reported as. */
export function networkError(error: Error, what: string, reused = false): KubeError {
  if (error instanceof KubeError) return error;
  const code = "code" in error ? error.code : undefined;
  const stale = reused && (code === "ECONNRESET" || code === "EPIPE");
  const cause = stale ? new StaleConnection(error.message, { cause: error }) : error;
  return new KubeError("unavailable", `${what}: ${messageOf(error)}`, { cause });
}

/** A failed connection to a name with several addresses is an AggregateError without a message of its own. */
function messageOf(error: Error): string {
  if (error instanceof AggregateError)
    return error.errors.map((each) => (each instanceof Error ? each.message : each)).join("; ");
  return error.message;
}

function isTlsFailure(error: Error): boolean {
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO|DEPTH_ZERO|SELF_SIGNED|ERR_OSSL)/.test(code);
}
