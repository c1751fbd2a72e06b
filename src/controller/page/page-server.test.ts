// SPDX-License-Identifier: Apache-2.0

import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Logger } from "pino";
import t, { type Test } from "tap";
import { projectNamespace } from "../../facts/project-core.ts";
import type { Me, Overview } from "../../page/contract.ts";
import { pageSource, pageWorld, tenantName } from "../../page/testing/page-world.ts";
import { type Clock, SYSTEM_CLOCK } from "../../time/clock.ts";
import { servePage } from "./serve-page.ts";
import { PageServer, type PageServerParts } from "./server.ts";
import { SEES_ALL, type TokenRights, tokenServer } from "./testing/token-server.ts";

interface Init {
  readonly method?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

async function page(
  t: Test,
  {
    rights = { root: SEES_ALL, one: [`pods/${tenantName(1)}`] },
    clock = SYSTEM_CLOCK,
  }: { readonly rights?: TokenRights; readonly clock?: Clock } = {},
) {
  const folder = await mkdtemp(join(tmpdir(), "weft-page-"));
  t.teardown(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, "assets"));
  await writeFile(join(folder, "index.html"), `<!doctype html>${" ".repeat(2_000)}`);
  await writeFile(join(folder, "assets/main-12345678.js"), "1;".repeat(1_000));
  await writeFile(join(folder, "secret.pem"), "key");
  const facts = pageWorld({ namespaces: 3, podsEach: 2, nodes: 2 });
  const { compiled } = pageSource(facts);
  const kube = tokenServer(rights);
  const errors: unknown[] = [];
  const log = { info: () => {}, warn: () => {}, error: (e: unknown) => errors.push(e) } as unknown as Logger;
  let unready: string | undefined;
  const served = await servePage({
    ...{ kube, clock, log, plain: true },
    settings: {
      pagePort: 0,
      pageDir: folder,
      tlsDir: "",
      namespace: "kube-system",
      identity: "controller-0",
      pageCertificateDir: "",
    },
    controller: { facts, engine: { desired: compiled }, leading: true, conditions: () => [] },
    notReady: () => unready,
  });
  t.teardown(() => served.close());
  const base = `http://127.0.0.1:${served.port}`;
  const ask = (path: string, token = "root", init: Init = {}): Promise<Response> =>
    fetch(`${base}${path}`, { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } });
  return { base, ask, kube, facts, errors, setUnready: (why: string | undefined) => (unready = why) };
}

const POST = { method: "POST", headers: { "x-weft-page": "1" } };

t.test("a login gives a cookie that scripts and other sites do not get, and that is enough from then on", async (t) => {
  const { base } = await page(t);
  const login = await fetch(`${base}/api/v1/login`, { ...POST, body: JSON.stringify({ token: "one" }) });
  t.equal(login.status, 200);
  const cookie = login.headers.get("set-cookie") ?? "";
  t.match(cookie, /^__Host-weft-page=[\w-]+; Path=\/; Secure; HttpOnly; SameSite=Strict; Max-Age=28800$/);
  t.notMatch(cookie, "one", "the token cannot be read from it");
  const headers = { cookie: `a=b; ${cookie.split(";")[0]}` };
  const me = (await (await fetch(`${base}/api/v1/me`, { headers })).json()) as Me;
  t.match(me, { user: "one", clusterWide: false, namespaces: [tenantName(1)], sees: { nodes: false } });
  const changed = { cookie: headers.cookie.slice(0, -2) };
  t.equal((await fetch(`${base}/api/v1/me`, { headers: changed })).status, 401);
  const logout = await fetch(`${base}/api/v1/login`, { ...POST, method: "DELETE" });
  t.match(logout.headers.get("set-cookie"), /Max-Age=0/);
});

t.test("no token, one that is not valid, and one that is too long are refused", async (t) => {
  const { base, ask } = await page(t);
  t.equal((await fetch(`${base}/api/v1/overview`)).status, 401);
  t.match(await (await ask("/api/v1/overview", "wrong")).json(), { error: { code: "unauthenticated" } });
  const login = (body: string) => fetch(`${base}/api/v1/login`, { ...POST, body });
  t.equal((await login('{"token":"wrong"}')).status, 401);
  t.equal((await login("{")).status, 400);
  t.equal((await login('{"token":5}')).status, 400);
  t.match(await (await login(JSON.stringify({ token: "x".repeat(3_000) }))).json(), { error: { code: "invalid" } });
});

t.test("a tenant is answered about their own namespace, and others are as if they were not there", async (t) => {
  const { ask, facts } = await page(t);
  const { counts } = (await (await ask("/api/v1/overview", "one")).json()) as Overview;
  t.match(counts, { namespaces: 1, pods: 2 });
  t.equal((await ask(`/api/v1/pods/${tenantName(1)}/web-0`, "one")).status, 200);
  const hidden = await (await ask(`/api/v1/pods/${tenantName(0)}/web-0`, "one")).json();
  facts.set("pods", `${tenantName(0)}/web-0`, undefined);
  t.strictSame(await (await ask(`/api/v1/pods/${tenantName(0)}/web-0`, "one")).json(), hidden);
  t.match(await (await ask("/api/v1/me")).json(), { clusterWide: true });
});

t.test("a right that is withdrawn is gone after some seconds, and reviews are not repeated before", async (t) => {
  let now = 0;
  const rights: TokenRights = { one: [`pods/${tenantName(1)}`] };
  const { ask, kube } = await page(t, { rights, clock: { ...SYSTEM_CLOCK, now: () => now } });
  t.equal((await ask(`/api/v1/pods/${tenantName(1)}/web-0`, "one")).status, 200);
  const before = kube.asked;
  t.equal((await ask("/api/v1/me", "one")).status, 200);
  t.equal(kube.asked, before);
  rights["one"] = [];
  now += 10_001;
  t.equal((await ask(`/api/v1/pods/${tenantName(1)}/web-0`, "one")).status, 404);
  t.equal(kube.asked, before + 6, "hidden namespaces are not asked for again");
});

t.test("while the API server does not answer, what it said lately holds, and not for long", async (t) => {
  let now = 0;
  const { ask, kube } = await page(t, { clock: { ...SYSTEM_CLOCK, now: () => now } });
  t.equal((await ask("/api/v1/me")).status, 200);
  kube.down = true;
  now += 30_000;
  t.equal((await ask("/api/v1/me")).status, 200);
  t.equal((await ask("/api/v1/me", "one")).status, 503);
  now += 31_000;
  t.equal((await ask("/api/v1/me")).status, 503);
});

t.test("requests of other sites are refused, and writes without the page's header", async (t) => {
  const { ask, base } = await page(t);
  t.equal((await ask("/api/v1/me", "root", { headers: { "sec-fetch-site": "cross-site" } })).status, 403);
  t.equal((await ask("/api/v1/me", "root", { headers: { "sec-fetch-site": "same-origin" } })).status, 200);
  t.equal((await ask("/api/v1/plan", "root", { method: "POST", body: "x" })).status, 403);
  t.equal((await fetch(`${base}/api/v1/login`, { method: "POST", body: '{"token":"root"}' })).status, 403);
  const answer = await ask("/api/v1/me", "root", { headers: { origin: "https://evil.example" } });
  t.equal(answer.headers.get("access-control-allow-origin"), null);
});

t.test("every answer forbids inline scripts, frames and guesses of its type", async (t) => {
  const { ask } = await page(t);
  for (const path of ["/", "/none", "/api/v1/me", "/api/v1/none", "/assets/main-12345678.js"]) {
    const { headers } = await ask(path);
    const policy = headers.get("content-security-policy") ?? "";
    t.match(policy, /default-src 'none'.*script-src 'self'.*frame-ancestors 'none'/, path);
    t.notMatch(policy, /unsafe/);
    t.equal(headers.get("x-content-type-options"), "nosniff");
  }
});

t.test("the page's files are compressed, revalidated, and nothing else of the disk is served", async (t) => {
  const { ask } = await page(t);
  const index = await ask("/");
  t.match(index.headers.get("content-type"), "text/html");
  t.equal(index.headers.get("cache-control"), "no-cache");
  const etag = index.headers.get("etag") ?? "";
  t.equal((await ask("/", "", { headers: { "if-none-match": etag } })).status, 304);
  const script = await ask("/assets/main-12345678.js", "", { headers: { "accept-encoding": "br" } });
  t.equal(script.headers.get("content-encoding"), "br");
  t.match(script.headers.get("cache-control"), "immutable");
  t.equal(await script.text(), "1;".repeat(1_000));
  for (const path of [
    "/secret.pem",
    "/../secret.pem",
    "/assets/..%2f..%2fetc/passwd",
    "//etc/passwd",
    "/assets",
    "/%00",
  ])
    t.equal((await ask(path)).status, 404, path);
  t.equal((await ask("/", "", POST)).status, 405);
});

t.test("questions that make no sense are refused, and nothing fails", async (t) => {
  const { ask, errors } = await page(t);
  const wrong: Readonly<Record<string, number>> = {
    "/api/v1/none": 404,
    "/api/v2/me": 404,
    "/api/v1/pods/%E0%A4%A": 400,
    "/api/v1/pods?limit=-1": 400,
    "/api/v1/pods?limit=9999": 400,
    "/api/v1/pods/a/b/c": 404,
    "/api/v1/policies/Secret/a/b": 404,
    "/api/v1/subnets/ovn-default/addresses?prefix=x": 400,
    "/api/v1/subnets/ovn-default/addresses?bits=1e3": 400,
    "/api/v1/subnets/none": 404,
    "/api/v1/vpcs/none": 404,
    "/api/v1/nodes/none": 404,
    "/api/v1/find": 400,
    "/api/v1/reach?from=a&to=b": 400,
    "/api/v1/reach?from=default/a&to=default/gone": 404,
    [`/api/v1/find?q=${"x".repeat(2_000)}`]: 400,
    "/api/v1/pods/__proto__/constructor": 404,
  };
  for (const [path, status] of Object.entries(wrong)) t.equal((await ask(path)).status, status, path);
  t.equal((await ask("/api/v1/me", "root", POST)).status, 405);
  t.strictSame(errors, []);
});

t.test("a hostile name is JSON", async (t) => {
  const { ask, facts } = await page(t);
  const name = '<img onerror=alert(1)>"';
  facts.set("namespaces", name, projectNamespace({ metadata: { name, uid: "uid-x" } }));
  const answer = await ask("/api/v1/find?q=onerror");
  t.match(answer.headers.get("content-type"), "application/json");
  t.match(await answer.json(), { hits: [{ kind: "Namespace", name }] });
});

t.test("a body that is too large is refused before it is read", async (t) => {
  const { ask } = await page(t);
  const answer = await ask("/api/v1/login", "root", { ...POST, body: "x".repeat(300_000) });
  t.equal(answer.status, 413);
});

t.test("who asks too often is refused, and others are not", async (t) => {
  let now = 0;
  const { ask } = await page(t, { clock: { ...SYSTEM_CLOCK, now: () => now } });
  const statuses: number[] = [];
  for (let i = 0; i < 70; i++) statuses.push((await ask("/api/v1/me")).status);
  t.equal(statuses.filter((status) => status === 200).length, 60);
  t.equal(statuses.at(-1), 429);
  t.equal((await ask("/api/v1/me", "one")).status, 200);
  now += 1_000;
  t.equal((await ask("/api/v1/me")).status, 200);
});

t.test("before everything is read the page says so", async (t) => {
  const { ask, setUnready } = await page(t);
  setUnready("waiting for the first list");
  t.match(await (await ask("/api/v1/overview")).json(), {
    error: { code: "unavailable", message: "waiting for the first list" },
  });
  setUnready(undefined);
  t.equal((await ask("/api/v1/overview")).status, 200);
});

t.test("an address that tries tokens makes few questions to the API server, and others are answered", async (t) => {
  let now = 0;
  const { ask, kube } = await page(t, { clock: { ...SYSTEM_CLOCK, now: () => now } });
  t.equal((await ask("/api/v1/me")).status, 200);
  const before = kube.asked;
  const statuses: number[] = [];
  for (let i = 0; i < 100; i++) statuses.push((await ask("/api/v1/me", `wrong-${i}`)).status);
  t.ok(kube.asked - before < 10, `${kube.asked - before} reviews`);
  t.equal(statuses.at(-1), 429);
  t.equal((await ask("/api/v1/me")).status, 200, "a token that is known is none that is tried");
  now += 1_000;
  t.equal((await ask("/api/v1/me", "one")).status, 200);
});

t.test("a client that does not read its answer loses its connection", async (t) => {
  const bytes = Buffer.alloc(64 * 2 ** 20);
  const file = { type: "text/plain", etag: '"x"', bytes, immutable: false };
  const clock = SYSTEM_CLOCK;
  const parts = { clock, files: new Map([["big.js", file]]), onError: () => undefined, silentMs: 200 };
  const server = await new PageServer(parts as unknown as PageServerParts).listen(0, undefined, "127.0.0.1");
  t.teardown(() => server.close());
  const accepted = once(server, "connection") as Promise<[Socket]>;
  const client = connect((server.address() as { port: number }).port, "127.0.0.1");
  client.on("error", () => undefined);
  t.teardown(() => client.destroy());
  client.write("GET /big.js HTTP/1.1\r\nhost: x\r\n\r\n");
  client.pause();
  const [socket] = await accepted;
  await once(socket, "close");
  t.ok(socket.destroyed);
});
