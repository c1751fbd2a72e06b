import { createServer, type Server, type ServerResponse } from "node:http";
import type { Registry } from "prom-client";
import type { Journal } from "./journal.ts";

/** What the daemon shows of itself over TCP. It only answers questions: whoever reaches the port can change nothing. */
export interface Shown {
  readonly registry: Registry;
  readonly journal: Journal;
  /** What keeps pods from getting a network on this node; undefined if nothing does. */
  notReady(): string | undefined;
}

/**
 * `/healthz` (the process turns), `/readyz` (200 or 503 with the reason), `/metrics` (Prometheus' text), `/debug/adds?verb=add`
 * (the last requests with their parts, as JSON).
 */
export async function serveHttp(port: number, shown: Shown): Promise<Server> {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://daemon");
    void reply(url, response, shown).catch((error) => send(response, 500, "text/plain", String(error)));
  });
  server.maxConnections = 64;
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  server.listen(port, () => listening.resolve());
  await listening.promise;
  return server;
}

async function reply(url: URL, response: ServerResponse, shown: Shown): Promise<void> {
  switch (url.pathname) {
    case "/healthz":
      return send(response, 200, "text/plain", "ok\n");
    case "/readyz": {
      const reason = shown.notReady();
      return send(response, reason === undefined ? 200 : 503, "text/plain", `${reason ?? "ok"}\n`);
    }
    case "/metrics":
      return send(response, 200, shown.registry.contentType, await shown.registry.metrics());
    case "/debug/adds": {
      const entries = shown.journal.entries(url.searchParams.get("verb") ?? undefined);
      return send(response, 200, "application/json", `${JSON.stringify(entries)}\n`);
    }
    default:
      return send(response, 404, "text/plain", "not here: /healthz /readyz /metrics /debug/adds\n");
  }
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { "Content-Type": type, "Content-Length": Buffer.byteLength(body) });
  response.end(body);
}
