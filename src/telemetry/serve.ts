// SPDX-License-Identifier: Apache-2.0

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Registry } from "prom-client";
import { requestTarget } from "./request-target.ts";

/** What a process shows of itself over TCP. All but the actions is read-only. */
export interface Shown {
  readonly registry: Registry;
  /** What keeps the process from doing its work, as a message; undefined where nothing does. */
  readonly notReady: () => string | undefined;
  /** Further pages, shown on the loopback address only: path → what is answered as JSON. */
  readonly pages?: Readonly<Record<string, (query: URLSearchParams) => unknown>>;
  /** What POST does, on the loopback address only: path → what is answered as JSON. What it throws is answered with 400. */
  readonly actions?: Readonly<Record<string, (query: URLSearchParams) => unknown>>;
}

/** A port to listen on; 0: do not listen; "any": one that the kernel chooses, for tests. */
export type Port = number | "any";

/** What listens. */
export interface Served {
  readonly metrics: Server | undefined;
  readonly health: Server | undefined;
  /** Ends both and every connection. */
  close(): void;
}

/** Connections of one listener at a time. */
export const MAX_CONNECTIONS = 64;
/** kubelet is on this node, and so are those who debug it. Pods, whatever they send, are not. */
const LOOPBACK = "127.0.0.1";

/**
 * Serves `/metrics` (Prometheus' text), `/healthz` (the event loop turns) and `/readyz` (200, or 503 with the reason) on two ports: `metrics` on all
 * addresses, for Prometheus, and `health` on the loopback address, for kubelet's probes. A node's addresses are reached by every pod, which could
 * hold all connections of a port there; probes that found none would have the process killed. The further pages and the actions are on the latter only.
 *
 * Resolves when both listen; rejects with the error of listen(2).
 */
export async function serve(ports: { readonly metrics: Port; readonly health: Port }, shown: Shown): Promise<Served> {
  const { pages: _, actions: __, ...open } = shown;
  const health = await listen(ports.health, LOOPBACK, shown);
  const close = (...servers: readonly (Server | undefined)[]): void => {
    for (const server of servers) {
      server?.close();
      server?.closeAllConnections();
    }
  };
  try {
    const metrics = await listen(ports.metrics, undefined, open);
    return { metrics, health, close: () => close(metrics, health) };
  } catch (error) {
    close(health);
    throw error;
  }
}

async function listen(port: Port, host: string | undefined, shown: Shown): Promise<Server | undefined> {
  if (port === 0) return undefined;
  const metrics = shared(() => shown.registry.metrics());
  const server = createServer((request, response) => {
    void reply(request, response, shown, metrics).catch((error: unknown) =>
      send(response, 500, "text/plain", `${String(error)}\n`),
    );
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.requestTimeout = 10_000;
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  server.listen({ port: port === "any" ? 0 : port, host }, () => listening.resolve());
  await listening.promise;
  return server;
}

/** `read`, once at a time: who asks while it runs gets its answer. So many that ask at once cost no more than one. */
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
