// SPDX-License-Identifier: Apache-2.0

import { createServer, type Server } from "node:http";
import { requestTarget } from "../../telemetry/request-target.ts";
import type { Clock } from "../../time/clock.ts";
import { ReconcileLoop } from "../../time/reconcile-loop.ts";
import { formatTime } from "../../time/rfc3339.ts";
import type { ServedServices } from "./served-services.ts";

/** The port of kube-proxy's own health check, which load balancers of clouds use for `externalTrafficPolicy: Cluster` (KEP-3458). */
export const PROXY_HEALTH_PORT = 10_256;

/** The maximum number of simultaneous connections of one listener. */
const MAX_CONNECTIONS = 64;

/** The response for a path. */
export interface HealthAnswer {
  readonly status: 200 | 503 | 404;
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Serves one port on all addresses of the node until it is closed. Rejects with the error of listen(2). */
export type ServeHealth = (port: number, answer: (path: string) => HealthAnswer) => Promise<{ close(): void }>;

/** Dependencies of {@link ServiceHealth}. */
export interface ServiceHealthDependencies {
  readonly services: Pick<ServedServices, "healthChecks" | "subscribe">;
  readonly serve: ServeHealth;
  /** Whether this node serves Services. */
  healthy(): boolean;
  /** Whether load balancers may send new connections to this node, according to its Node object. */
  eligible(): boolean;
  readonly clock: Clock;
  readonly log: { warn(fields: object, message: string): void };
  /** Records a Warning about this node. */
  warnNode(reason: string, message: string): void;
}

/**
 * Answers health checks of external load balancers as kube-proxy does: on the `healthCheckNodePort` of each Service, whether this node has endpoints
 * of the Service; on port 10256, whether the node serves Services at all. Load balancers send clients to the nodes that answer with 200.
 */
export class ServiceHealth {
  readonly #deps: ServiceHealthDependencies;
  readonly #loop: ReconcileLoop;
  /** Port → its listener. */
  readonly #open = new Map<number, { close(): void }>();
  #reported = "";
  #unsubscribe: () => void = () => undefined;

  constructor(deps: ServiceHealthDependencies) {
    this.#deps = deps;
    this.#loop = new ReconcileLoop(
      () => this.#reconcile(),
      (error, retryMs) => deps.log.warn({ err: error, retryMs }, "failed to serve health checks of Services; retrying"),
      {},
      deps.clock,
    );
  }

  start(): void {
    this.#unsubscribe = this.#deps.services.subscribe(() => this.#loop.trigger());
    this.#loop.trigger();
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    await this.#loop.stop();
    for (const server of this.#open.values()) server.close();
    this.#open.clear();
  }

  async #reconcile(): Promise<void> {
    const { services, serve } = this.#deps;
    const ports = new Set([PROXY_HEALTH_PORT, ...services.healthChecks().keys()]);
    for (const [port, server] of this.#open) {
      if (ports.has(port)) continue;
      server.close();
      this.#open.delete(port);
    }
    const failed: unknown[] = [];
    const inUse: number[] = [];
    for (const port of ports) {
      if (this.#open.has(port)) continue;
      try {
        this.#open.set(port, await serve(port, (path) => this.#answer(port, path)));
      } catch (error) {
        failed.push(error);
        if (error instanceof Error && "code" in error && error.code === "EADDRINUSE") inUse.push(port);
      }
    }
    this.#reportPorts(inUse);
    if (failed.length > 0) throw failed[0];
  }

  /** Port 10256 is in use while kube-proxy runs. */
  #reportPorts(inUse: readonly number[]): void {
    const text = inUse.join(", ");
    if (text === this.#reported) return;
    this.#reported = text;
    if (text === "") return;
    const proxy = inUse.includes(PROXY_HEALTH_PORT) ? `; remove kube-proxy, which listens on ${PROXY_HEALTH_PORT}` : "";
    this.#deps.warnNode(
      "HealthCheckPortInUse",
      `another program listens on port ${text}, so health checks of Services are not answered there${proxy}`,
    );
  }

  #answer(port: number, path: string): HealthAnswer {
    const { services, healthy, eligible, clock } = this.#deps;
    const isHealthy = healthy();
    if (port === PROXY_HEALTH_PORT) {
      const isLive = path === "/livez";
      if (!isLive && path !== "/healthz") return { status: 404, body: { paths: ["/healthz", "/livez"] } };
      const now = formatTime(clock.wall());
      const nodeEligible = eligible();
      const ok = isHealthy && (isLive || nodeEligible);
      return { status: ok ? 200 : 503, body: { lastUpdated: now, currentTime: now, nodeEligible } };
    }
    const check = services.healthChecks().get(port);
    if (check === undefined) return { status: 404, body: {} };
    const [namespace, name] = check.service.split("/");
    const { endpoints } = check;
    return {
      status: isHealthy && endpoints > 0 ? 200 : 503,
      headers: { "X-Load-Balancing-Endpoint-Weight": String(endpoints) },
      body: { service: { namespace, name }, localEndpoints: endpoints, serviceProxyHealthy: isHealthy },
    };
  }
}

/** {@link ServeHealth} on the real node. */
export async function serveHealth(port: number, answer: (path: string) => HealthAnswer): Promise<{ close(): void }> {
  const server: Server = createServer((request, response) => {
    const { status, body, headers } = answer(requestTarget(request.url).path);
    const text = `${JSON.stringify(body)}\n`;
    const fixed = { "content-type": "application/json", "x-content-type-options": "nosniff" };
    response.writeHead(status, { ...fixed, ...headers, "content-length": Buffer.byteLength(text) });
    response.end(text);
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.requestTimeout = 10_000;
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  server.listen({ port }, () => listening.resolve());
  await listening.promise;
  return {
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
