import { createServer, type Server, type ServerResponse } from "node:http";
import type { Registry } from "prom-client";

/** What a process shows of itself over TCP. It only answers questions: whoever reaches the port can change nothing. */
export interface Shown {
  readonly registry: Registry;
  /** What keeps the process from doing its work, in a sentence; undefined where nothing does. */
  readonly notReady: () => string | undefined;
  /** Further pages: path → what is answered as JSON. */
  readonly pages?: Readonly<Record<string, (query: URLSearchParams) => unknown>>;
}

/**
 * Serves `/metrics` (Prometheus' text), `/healthz` (the event loop turns), `/readyz` (200, or 503 with the reason) and the further
 * pages. Resolves when listening, with nothing where `port` is 0; rejects with the error of listen(2).
 */
export async function serve(port: number, shown: Shown): Promise<Server | undefined> {
  if (port === 0) return undefined;
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://here");
    void reply(url, response, shown).catch((error: unknown) => send(response, 500, "text/plain", `${String(error)}\n`));
  });
  server.maxConnections = 64;
  server.requestTimeout = 10_000;
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  server.listen(port, () => listening.resolve());
  await listening.promise;
  return server;
}

async function reply(url: URL, response: ServerResponse, shown: Shown): Promise<void> {
  switch (url.pathname) {
    case "/healthz":
      send(response, 200, "text/plain", "ok\n");
      return;
    case "/readyz": {
      const reason = shown.notReady();
      send(response, reason === undefined ? 200 : 503, "text/plain", `${reason ?? "ok"}\n`);
      return;
    }
    case "/metrics":
      send(response, 200, shown.registry.contentType, await shown.registry.metrics());
      return;
  }
  const page = shown.pages?.[url.pathname];
  if (page !== undefined) {
    send(response, 200, "application/json", `${JSON.stringify(page(url.searchParams))}\n`);
    return;
  }
  const known = ["/healthz", "/readyz", "/metrics", ...Object.keys(shown.pages ?? {})];
  send(response, 404, "text/plain", `not here: ${known.join(" ")}\n`);
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) });
  response.end(body);
}
