import { createServer, type Server } from "node:http";
import type { Registry } from "prom-client";

/** What the administrators' port answers from. */
export interface ServeOptions {
  readonly port: number;
  readonly registry: Registry;
  /** Alive at all; false makes kubelet restart the process. */
  readonly healthy: () => boolean;
  /** Able to do its work; the reason where it is not. */
  readonly notReady: () => string | undefined;
}

/** Serves `/metrics`, `/healthz` and `/readyz`. Resolves when listening; port 0 means that nothing is served. */
export async function serve({ port, registry, healthy, notReady }: ServeOptions): Promise<Server | undefined> {
  if (port === 0) return undefined;
  const server = createServer((request, response) => {
    const answer = (status: number, text: string): void => {
      response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(`${text}\n`);
    };
    switch (request.url?.split("?")[0]) {
      case "/metrics":
        registry.metrics().then(
          (text) => response.writeHead(200, { "content-type": registry.contentType }).end(text),
          (error: unknown) => answer(500, String(error)),
        );
        return;
      case "/healthz":
        return healthy() ? answer(200, "ok") : answer(503, "not healthy");
      case "/readyz": {
        const reason = notReady();
        return reason === undefined ? answer(200, "ok") : answer(503, reason);
      }
      default:
        return answer(404, "there are /metrics, /healthz and /readyz here");
    }
  });
  server.maxConnections = 64;
  server.requestTimeout = 10_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, resolve);
  });
  return server;
}
