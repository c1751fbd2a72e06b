// SPDX-License-Identifier: Apache-2.0

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import t from "tap";
import { ManualClock } from "../../time/testing/manual-clock.ts";
import { type HealthAnswer, PROXY_HEALTH_PORT, ServiceHealth, serveHealth } from "./health-check-node-port.ts";

function setup() {
  const clock = new ManualClock();
  const listening = new Map<number, (path: string) => HealthAnswer>();
  const checks = new Map<number, { service: string; endpoints: number }>();
  const taken = new Set<number>();
  const state = { healthy: true, eligible: true };
  const warned: string[] = [];
  let announce: () => void = () => undefined;
  const health = new ServiceHealth({
    clock,
    services: {
      healthChecks: () => checks,
      subscribe(listener) {
        announce = listener;
        return () => undefined;
      },
    },
    async serve(port, answer) {
      if (taken.has(port)) throw Object.assign(new Error(`port ${port} is in use`), { code: "EADDRINUSE" });
      listening.set(port, answer);
      return { close: () => void listening.delete(port) };
    },
    healthy: () => state.healthy,
    eligible: () => state.eligible,
    log: { warn: (_, message) => void warned.push(message) },
    warnNode: (reason, message) => void warned.push(`${reason}: ${message}`),
  });
  return { health, clock, listening, checks, taken, state, warned, announce: () => announce() };
}

t.test("a Service's health check reports whether this node has endpoints of it", async (t) => {
  const { health, clock, listening, checks, state, announce } = setup();
  checks.set(31_000, { service: "default/web", endpoints: 2 });
  health.start();
  await clock.advance(1_000);
  const ask = () => listening.get(31_000)?.("/");
  t.same(ask(), {
    status: 200,
    headers: { "X-Load-Balancing-Endpoint-Weight": "2" },
    body: { service: { namespace: "default", name: "web" }, localEndpoints: 2, serviceProxyHealthy: true },
  });
  checks.set(31_000, { service: "default/web", endpoints: 0 });
  t.match(ask(), { status: 503, body: { localEndpoints: 0 } }, "with the state at the time of the request");
  checks.set(31_000, { service: "default/web", endpoints: 2 });
  state.healthy = false;
  t.match(ask(), { status: 503, body: { serviceProxyHealthy: false } });
  checks.clear();
  announce();
  await clock.advance(1_000);
  t.same([...listening.keys()], [PROXY_HEALTH_PORT], "a deleted Service has none");
  await health.stop();
  t.equal(listening.size, 0);
});

t.test("port 10256 reports whether the node serves Services and may get new clients", async (t) => {
  const { health, clock, listening, state } = setup();
  health.start();
  await clock.advance(1_000);
  const ask = (path: string) => listening.get(PROXY_HEALTH_PORT)?.(path);
  t.match(ask("/healthz"), { status: 200, body: { nodeEligible: true } });
  state.eligible = false;
  t.match(ask("/healthz"), { status: 503, body: { nodeEligible: false } }, "a node that is being deleted gets none");
  t.match(ask("/livez"), { status: 200 }, "and lives");
  state.healthy = false;
  t.match(ask("/livez"), { status: 503 });
  t.match(ask("/other"), { status: 404 });
  await health.stop();
});

t.test("a port that another program uses is retried, and does not delay the others", async (t) => {
  const { health, clock, listening, checks, taken, warned } = setup();
  taken.add(PROXY_HEALTH_PORT);
  checks.set(31_000, { service: "default/web", endpoints: 1 });
  health.start();
  await clock.advance(200);
  t.same([...listening.keys()], [31_000]);
  t.match(warned, [
    /^HealthCheckPortInUse: another program listens on port 10256.*; remove kube-proxy, which listens on 10256$/,
    /failed to serve health checks of Services; retrying/,
  ]);
  taken.clear();
  await clock.advance(60_000);
  t.ok(listening.has(PROXY_HEALTH_PORT));
  await health.stop();
});

t.test("the answer is JSON over HTTP, and a port in use rejects", async (t) => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, () => resolve()));
  const { port } = other.address() as AddressInfo;
  const answer = (): HealthAnswer => ({ status: 503, body: { localEndpoints: 0 }, headers: { "X-Test": "1" } });
  await t.rejects(serveHealth(port, answer), { code: "EADDRINUSE" });
  await new Promise((resolve) => other.close(resolve));
  const served = await serveHealth(port, answer);
  t.teardown(() => served.close());
  const response = await fetch(`http://127.0.0.1:${port}/`);
  t.equal(response.status, 503);
  t.equal(response.headers.get("content-type"), "application/json");
  t.equal(response.headers.get("x-test"), "1");
  t.same(await response.json(), { localEndpoints: 0 });
  // Clients outside reach the port; an invalid URL must not end the daemon.
  for (const path of ["//", "//[", "/%"]) t.equal((await fetch(`http://127.0.0.1:${port}${path}`)).status, 503, path);
});
