// SPDX-License-Identifier: Apache-2.0

import { request } from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { pino } from "pino";
import { Gauge, Registry } from "prom-client";
import t, { type Test } from "tap";
import { ownCertificate } from "../pki/own-certificate.ts";
import { logLevelPage } from "./log-level.ts";
import { type Admission, MAX_CONNECTIONS, type Served, serve } from "./serve.ts";

const shown = (reason?: string) => ({
  registry: new Registry(),
  notReady: () => reason,
  pages: { "/debug/adds": (query: URLSearchParams) => [query.get("verb")] },
});

async function served(
  t: Test,
  reason?: string,
): Promise<Served & { readonly ports: { metrics: number; health: number } }> {
  const both = await serve({ metrics: "any", health: "any" }, shown(reason));
  t.teardown(() => both.close());
  const [metrics, health] = [both.metrics, both.health].map((server) => (server!.address() as AddressInfo).port);
  return { ...both, ports: { metrics: metrics!, health: health! } };
}

const get = async (port: number, path: string, host = "127.0.0.1") => {
  const answer = await fetch(`http://${host}:${port}${path}`, { signal: AbortSignal.timeout(20_000) });
  return { status: answer.status, body: (await answer.text()).trim() };
};

/** Silent connections; resolves when all that the server accepts are open. */
async function hold(t: Test, port: number, count: number): Promise<void> {
  const sockets: Socket[] = [];
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
  });
  await Promise.all(
    Array.from({ length: count }, () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const socket = connect(port, "127.0.0.1", resolve);
      socket.on("error", () => resolve());
      sockets.push(socket);
      return promise;
    }),
  );
}

t.test("probes are answered while others hold all connections of the metrics' port", async (t) => {
  const { ports } = await served(t, "nothing is connected");
  await hold(t, ports.metrics, MAX_CONNECTIONS + 8);
  await t.rejects(get(ports.metrics, "/healthz"), "the metrics' port has none left");
  t.same(await get(ports.health, "/healthz"), { status: 200, body: "ok" });
  t.same(await get(ports.health, "/readyz"), { status: 503, body: "nothing is connected" });
});

t.test("the probes' port is on the loopback address, where no pod reaches it", async (t) => {
  const { health, metrics, ports } = await served(t);
  t.equal((health!.address() as AddressInfo).address, "127.0.0.1");
  t.not((metrics!.address() as AddressInfo).address, "127.0.0.1");
  const own = Object.values(networkInterfaces())
    .flat()
    .find((entry) => entry !== undefined && entry.family === "IPv4" && !entry.internal)?.address;
  if (own === undefined) return t.comment("this machine has no other address to try");
  await t.rejects(get(ports.health, "/healthz", own));
  t.equal((await get(ports.metrics, "/metrics", own)).status, 200);
});

t.test("pages for debugging are on the loopback address only", async (t) => {
  const { ports } = await served(t);
  t.same(await get(ports.health, "/debug/adds?verb=add"), { status: 200, body: '["add"]' });
  t.equal((await get(ports.metrics, "/debug/adds")).status, 404);
  t.notMatch((await get(ports.metrics, "/")).body, /debug/);
  for (const port of [ports.health, ports.metrics])
    for (const path of ["/metrics", "/healthz", "/readyz"]) t.equal((await get(port, path)).status, 200, path);
});

t.test("a port of 0 is not served", async (t) => {
  const { metrics, health, close } = await serve({ metrics: 0, health: 0 }, shown());
  t.same([metrics, health], [undefined, undefined]);
  close();
});

t.test("the level of a log is changed on the loopback address, by POST, to one that there is", async (t) => {
  const written: string[] = [];
  const log = pino({ level: "info" }, { write: (line: string) => written.push(line) });
  const both = await serve({ metrics: "any", health: "any" }, { ...shown(), ...logLevelPage(log) });
  t.teardown(() => both.close());
  const [metrics, health] = [both.metrics, both.health].map((server) => (server!.address() as AddressInfo).port);
  const ask = async (port: number, query: string, method: string) => {
    const signal = AbortSignal.timeout(20_000);
    const answer = await fetch(`http://127.0.0.1:${port}/debug/log-level${query}`, { method, signal });
    return [answer.status, (await answer.text()).trim()];
  };
  log.debug("not written");
  t.same(await ask(health!, "", "GET"), [200, '{"level":"info"}']);
  t.same(await ask(health!, "?level=debug", "POST"), [200, '{"level":"debug"}']);
  log.debug("written");
  t.same(
    written.map((line) => (JSON.parse(line) as { msg: string }).msg),
    ["log level changed", "written"],
  );
  t.same(await ask(health!, "?level=loud", "POST"), [400, "level must be one of: trace, debug, info, warn, error"]);
  t.same(await ask(health!, "?level=info", "GET"), [200, '{"level":"debug"}'], "GET changes nothing");
  for (const method of ["GET", "POST"]) t.equal((await ask(metrics!, "?level=info", method))[0], 404);
});

t.test("a path that is not a URL is answered by 404, and the process continues", async (t) => {
  const { ports } = await served(t);
  for (const port of [ports.metrics, ports.health])
    for (const path of ["//", "//[", "/%", "//metrics?level=%"]) t.equal((await get(port, path)).status, 404, path);
  t.equal((await get(ports.health, "/healthz")).status, 200);
});

t.test("simultaneous scrapes are one reading of the metrics", async (t) => {
  const registry = new Registry();
  let reads = 0;
  const first = Promise.withResolvers<void>();
  new Gauge({
    ...{ name: "reads", help: "-", registers: [registry] },
    async collect() {
      reads += 1;
      await first.promise;
      this.set(reads);
    },
  });
  const both = await serve({ metrics: "any", health: 0 }, { ...shown(), registry });
  t.teardown(() => both.close());
  const { port } = both.metrics!.address() as AddressInfo;
  let arrived = 0;
  const all = new Promise<void>((resolve) =>
    both.metrics!.on("request", () => {
      arrived += 1;
      if (arrived === 10) resolve();
    }),
  );
  const scrapes = Array.from({ length: 10 }, () => get(port, "/metrics"));
  await all;
  first.resolve();
  for (const { body } of await Promise.all(scrapes)) t.match(body, /^reads 1$/m);
  t.match((await get(port, "/metrics")).body, /^reads 2$/m);
});

t.test("a metrics port with authentication speaks TLS, and denies clients that are not admitted", async (t) => {
  const folder = t.testdir({});
  const key = await ownCertificate(folder, "weft-metrics", Date.now());
  const admit = async (authorization: string | undefined): Promise<Admission> =>
    (({ "Bearer good": "admitted", "Bearer other": "forbidden", "Bearer new": "unknown" }) as const)[
      authorization as "Bearer good"
    ] ?? "unauthenticated";
  const refused: string[] = [];
  const note = (...of: readonly string[]): void => void refused.push(of.join(" "));
  const both = await serve({ metrics: "any", health: "any" }, shown(), { ...key, admit, refused: note });
  t.teardown(() => both.close());
  const [metrics, health] = [both.metrics, both.health].map((server) => (server!.address() as AddressInfo).port);
  const ask = (path: string, token?: string): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const options = { host: "127.0.0.1", port: metrics, path, headers, rejectUnauthorized: false };
      request(options, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      })
        .on("error", reject)
        .end();
    });
  t.equal(await ask("/metrics", "good"), 200);
  for (const path of ["/metrics", "/healthz", "/readyz", "/other"])
    t.same([await ask(path), await ask(path, "other"), await ask(path, "new")], [401, 403, 503], path);
  t.match([...new Set(refused)], [/^unauthenticated .*127\.0\.0\.1$/, /^forbidden /, /^unknown /]);
  await t.rejects(get(metrics!, "/metrics"), "nothing without TLS");
  t.equal((await get(health!, "/metrics")).status, 200, "the probes' port needs none");
});
