// SPDX-License-Identifier: Apache-2.0

import { mkdirSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import { CNI_ERROR, type CniFailure, type CniVerb, cniPath } from "../../api/cni-message.ts";
import { CniError, httpStatus } from "./cni-error.ts";

/**
 * The implementation of a verb. `caller` fires when the shim has closed its connection. The result is the body of the
 * 200 response, undefined for 204.
 */
export type VerbHandler = (body: unknown, caller: AbortSignal) => Promise<unknown>;

/** All verbs. */
export type VerbHandlers = Readonly<Record<CniVerb, VerbHandler>>;

/** Limits of the server: a request beyond them is refused at once, with an error that names the limit. */
export interface ServerLimits {
  /** A GC lists every attachment of the node, about 100 bytes each. */
  readonly maxBodyBytes: number;
  /** Running and waiting requests; a node has a few hundred pods at most. */
  readonly maxRequests: number;
}

/** Many times the requests of one node's runtime. */
const DEFAULT_LIMITS: ServerLimits = { maxBodyBytes: 4 * 1024 * 1024, maxRequests: 512 };

/** The HTTP server for the shims of this node. */
export interface CniServer {
  /** Running and waiting requests. */
  readonly active: number;
  /** Stops accepting requests and waits for the running ones. */
  drain(): Promise<void>;
  /** Closes every connection. */
  close(): void;
}

/**
 * Listens on a unix socket that only root may use (mode 0600): a program that can connect can change the network of
 * any pod. A socket file that a killed daemon left is replaced; if a daemon still answers on it, the call fails.
 */
export async function serveCni(
  path: string,
  handlers: VerbHandlers,
  limits: ServerLimits = DEFAULT_LIMITS,
): Promise<CniServer> {
  if (await answers(path)) throw new Error(`another daemon listens on ${path}; stop it first`);
  mkdirSync(dirname(path), { recursive: true });
  rmSync(path, { force: true });

  let active = 0;
  let idle: (() => void) | undefined;
  let draining = false;
  const server = createServer((request, response) => {
    active += 1;
    const failed = (error: CniError): CniFailure => ({ ...error.toFailure(), ...(draining && { restarting: true }) });
    void handle(request, response, handlers, limits, active, failed).finally(() => {
      active -= 1;
      if (active === 0) idle?.();
    });
  });
  // The shim waits as long as its verb may take, and sends its body at once.
  server.requestTimeout = 30_000;
  server.keepAliveTimeout = 1;
  await listen(server, path);
  return {
    get active() {
      return active;
    },
    async drain() {
      draining = true;
      server.close();
      if (active > 0) {
        await new Promise<void>((resolve) => {
          idle = resolve;
        });
      }
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function listen(server: Server, path: string): Promise<void> {
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  // The file is created with mode 0600: with a later chmod another user could connect before it. The socket is bound
  // within the call.
  const before = process.umask(0o177);
  try {
    server.listen(path, listening.resolve);
  } finally {
    process.umask(before);
  }
  await listening.promise;
  server.removeListener("error", listening.reject);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  handlers: VerbHandlers,
  limits: ServerLimits,
  active: number,
  failed: (error: CniError) => CniFailure,
): Promise<void> {
  const caller = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) caller.abort();
  });
  try {
    if (active > limits.maxRequests) {
      throw new CniError(
        CNI_ERROR.tryAgainLater,
        `weft-daemon is overloaded: ${limits.maxRequests} requests are running`,
      );
    }
    const verb = verbOf(request);
    const body = await readBody(request, limits.maxBodyBytes);
    answer(response, 200, await handlers[verb](body, caller.signal));
  } catch (thrown) {
    const error = CniError.from(thrown, "weft-daemon");
    answer(response, httpStatus(error.code), failed(error));
  }
}

const VERBS: ReadonlyMap<string, CniVerb> = new Map(
  (["add", "del", "check", "status", "gc"] as const).map((verb) => [cniPath(verb), verb]),
);

function verbOf(request: IncomingMessage): CniVerb {
  const verb = VERBS.get((request.url ?? "").split("?", 1)[0] ?? "");
  if (verb !== undefined && request.method === "POST") return verb;
  throw new CniError(CNI_ERROR.invalidConfig, `unknown request: ${request.method} ${request.url}`);
}

async function readBody(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) throw new CniError(CNI_ERROR.invalidConfig, `the request is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  try {
    return length === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch (cause) {
    throw new CniError(CNI_ERROR.decodingFailure, "the request is not JSON", { cause });
  }
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  if (response.destroyed) return;
  if (body === undefined) {
    response.writeHead(204).end();
    return;
  }
  const text = JSON.stringify(body);
  response.writeHead(status, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) });
  response.end(text);
}
