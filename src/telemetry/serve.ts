// SPDX-License-Identifier: Apache-2.0

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Registry } from "prom-client";
import { requestTarget } from "./request-target.ts";

/** What a process serves over HTTP. Everything except the actions is read-only. */
export interface Shown {
  readonly registry: Registry;
  /** Why the process is not ready, as a message; `undefined` if it is. */
  readonly notReady: () => string | undefined;
  /** Additional pages, on the loopback address only: path → the response as JSON. */
  readonly pages?: Readonly<Record<string, (query: URLSearchParams) => unknown>>;
  /** Actions of POST, on the loopback address only: path → the response as JSON. An exception is answered with 400. */
  readonly actions?: Readonly<Record<string, (query: URLSearchParams) => unknown>>;
}

/** What becomes of a request: it is served, or refused by a status of HTTP. */
export type Admission = "admitted" | AdmissionRefusal;

/** Why a request is refused. */
export type AdmissionRefusal = keyof typeof REFUSED;

const REFUSED = { unauthenticated: 401, forbidden: 403, unknown: 503 } as const;

/** How the metrics' port is guarded: it speaks TLS, so that no token is sent in the clear, and each request is admitted by its header `Authorization`. */
export interface Guard {
  /** PEM. */
  readonly privateKey: string;
  readonly certificate: string;
  /** Never rejects. */
  readonly admit: (authorization: string | undefined) => Promise<Admission>;
  /** Called for each refused request with the client's address. */
  readonly refused: (refusal: AdmissionRefusal, from: string) => void;
  /** Whether `/healthz` and `/readyz` are served without a token, for a process in a pod network: kubelet's probes have none, and do not reach its loopback address. */
  readonly openHealth?: boolean;
}

/** A port to listen on; 0: do not listen; "any": one that the kernel chooses, for tests. */
export type Port = number | "any";

/** The listening servers. */
export interface Served {
  readonly metrics: Server | undefined;
  readonly health: Server | undefined;
  /** Closes both and every connection. */
  close(): void;
}

/** The largest number of connections to one listener. */
export const MAX_CONNECTIONS = 64;
const HEALTH: readonly string[] = ["/healthz", "/readyz"];
/** kubelet and administrators use this node's loopback address. Pods cannot reach it. */
const LOOPBACK = "127.0.0.1";

/**
 * Serves `/metrics` (Prometheus' text), `/healthz` (the event loop turns) and `/readyz` (200, or 503 with the reason) on two ports: `metrics` on all
 * addresses, for Prometheus, and `health` on the loopback address, for kubelet's probes. Every pod can reach a node's addresses and could use up all
 * connections of a port there; probes would then fail and kubelet would kill the process. The additional pages and the actions are on the latter
 * only.
 * With a `guard`, all of the former needs a token, except for `openHealth`.
 *
 * Resolves when both listen; rejects with the error of listen(2).
 */
export async function serve(
  ports: { readonly metrics: Port; readonly health: Port },
  shown: Shown,
  guard?: Guard,
): Promise<Served> {
  const { pages: _, actions: __, ...open } = shown;
  const health = await listen(ports.health, LOOPBACK, shown, undefined);
  const close = (...servers: readonly (Server | undefined)[]): void => {
    for (const server of servers) {
      server?.close();
      server?.closeAllConnections();
    }
  };
  try {
    const metrics = await listen(ports.metrics, undefined, open, guard);
    return { metrics, health, close: () => close(metrics, health) };
  } catch (error) {
    close(health);
    throw error;
  }
}

async function listen(
  port: Port,
  host: string | undefined,
  shown: Shown,
  guard: Guard | undefined,
): Promise<Server | undefined> {
  if (port === 0) return undefined;
  const metrics = shared(() => shown.registry.metrics());
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const open = guard?.openHealth === true && HEALTH.includes(requestTarget(request.url).path);
    const admission = open ? "admitted" : ((await guard?.admit(request.headers.authorization)) ?? "admitted");
    if (admission === "admitted") return await reply(request, response, shown, metrics);
    guard?.refused(admission, request.socket.remoteAddress ?? "");
    send(response, REFUSED[admission], "text/plain", `${admission}\n`);
  };
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    void handle(request, response).catch((error: unknown) => send(response, 500, "text/plain", `${String(error)}\n`));
  };
  const server =
    guard === undefined
      ? createServer(onRequest)
      : createTlsServer({ key: guard.privateKey, cert: guard.certificate, handshakeTimeout: 10_000 }, onRequest);
  server.maxConnections = MAX_CONNECTIONS;
  server.requestTimeout = 10_000;
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  server.listen({ port: port === "any" ? 0 : port, host }, () => listening.resolve());
  await listening.promise;
  return server;
}

/** Runs `read` once at a time: calls during a run get its result, so that many calls at once cost no more than one. */
function shared<T>(read: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined;
  return () => {
    running ??= read().finally(() => {
      running = undefined;
    });
    return running;
  };
}

async function reply(
  { method, url }: IncomingMessage,
  response: ServerResponse,
  shown: Shown,
  metrics: () => Promise<string>,
): Promise<void> {
  const { path, query } = requestTarget(url);
  switch (path) {
    case "/healthz":
      send(response, 200, "text/plain", "ok\n");
      return;
    case "/readyz": {
      const reason = shown.notReady();
      send(response, reason === undefined ? 200 : 503, "text/plain", `${reason ?? "ok"}\n`);
      return;
    }
    case "/metrics":
      send(response, 200, shown.registry.contentType, await metrics());
      return;
  }
  const action = method === "POST" ? shown.actions?.[path] : undefined;
  if (action !== undefined) {
    try {
      send(response, 200, "application/json", `${JSON.stringify(action(query))}\n`);
    } catch (error) {
      send(response, 400, "text/plain", `${error instanceof Error ? error.message : String(error)}\n`);
    }
    return;
  }
  const page = shown.pages?.[path];
  if (page !== undefined) {
    send(response, 200, "application/json", `${JSON.stringify(page(query))}\n`);
    return;
  }
  const known = ["/healthz", "/readyz", "/metrics", ...Object.keys(shown.pages ?? {})];
  send(response, 404, "text/plain", `not found; paths are: ${known.join(" ")}\n`);
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) });
  response.end(body);
}
