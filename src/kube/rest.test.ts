// SPDX-License-Identifier: Apache-2.0

import http from "node:http";
import type { AddressInfo, Socket } from "node:net";
import t, { type Test } from "tap";
import type { ClusterAccess } from "./config.ts";
import { connectTo, type KubeConnection } from "./connect.ts";
import { staticCredentials } from "./credentials.ts";
import { KubeError } from "./errors.ts";
import type { ExchangeOptions } from "./exchange.ts";
import { informer } from "./informer.ts";
import type { WatchEvent } from "./kube.ts";
import type { CustomObject, KubeObject } from "./object.ts";
import { CONFIG_MAPS, PODS, SUBNETS } from "./resources.ts";
import { fakeKube } from "./testing/fake.ts";
import { serveKube } from "./testing/fake-http.ts";
import type { Pod } from "./types.ts";

type Subnet = CustomObject<{ cidrBlock?: string; gateway?: string }>;

function accessTo(url: string): ClusterAccess {
  return {
    server: new URL(url),
    namespace: undefined,
    credentials: staticCredentials({}),
    tls: async () => ({ rejectUnauthorized: true }),
  };
}

function connect(t: Test, url: string, options: ExchangeOptions = {}): KubeConnection {
  const connection = connectTo(accessTo(url), { userAgent: "weft-test/1", ...options });
  t.teardown(() => connection.close());
  return connection;
}

/** A plain HTTP server, for answers that a correct API server does not give. */
async function listen(t: Test, handle: http.RequestListener): Promise<{ url: string; server: http.Server }> {
  const server = http.createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

const POD = '{"metadata":{"name":"a","namespace":"default","uid":"u","resourceVersion":"1"}}';
const REF = { namespace: "default", name: "a" };

t.test("every verb is sent as the API requires it", async (t) => {
  const fake = fakeKube();
  const served = await serveKube(fake);
  t.teardown(() => served.close());
  const { kube } = connect(t, served.url);
  const created = await kube.create<Subnet>(SUBNETS, { metadata: { name: "s" }, spec: { cidrBlock: "10.0.0.0/16" } });
  t.match(created, { apiVersion: "kubeovn.io/v1", kind: "Subnet", metadata: { name: "s", generation: 1 } });
  await t.rejects(kube.create(SUBNETS, { metadata: { name: "s" } }), { code: "exists", status: 409 });

  const first = await kube.get<Subnet>(SUBNETS, { name: "s" });
  const updated = await kube.update<Subnet>(SUBNETS, { ...first, spec: { cidrBlock: "10.1.0.0/16" } });
  t.match(updated, { spec: { cidrBlock: "10.1.0.0/16" }, metadata: { generation: 2 } });
  await t.rejects(kube.update(SUBNETS, first), {
    code: "conflict",
    message: /^update subnets.kubeovn.io s: .*modified/,
  });

  const merge = {
    type: "merge",
    body: { metadata: { annotations: { a: "b" } }, spec: { gateway: "10.1.0.1" } },
  } as const;
  t.match(await kube.patch(SUBNETS, { name: "s" }, merge), { metadata: { annotations: { a: "b" } } });
  const status = { type: "merge", body: { status: { ready: true } } } as const;
  t.match(await kube.patch(SUBNETS, { name: "s" }, status, { subresource: "status" }), { status: { ready: true } });
  const steps = { type: "json", body: [{ op: "remove", path: "/metadata/annotations/a" }] } as const;
  t.equal((await kube.patch(SUBNETS, { name: "s" }, steps)).metadata.annotations?.["a"], undefined);
  const apply = { type: "apply", fieldManager: "weft", body: { spec: { gateway: "10.1.0.2" } } } as const;
  t.match(await kube.patch(SUBNETS, { name: "s" }, apply), { spec: { gateway: "10.1.0.2" } });
  await kube.patch(SUBNETS, { name: "s" }, { type: "merge", body: { spec: { gateway: "no" } } }, { dryRun: true });
  t.match(await kube.get(SUBNETS, { name: "s" }), { spec: { gateway: "10.1.0.2" } });

  const partial = { kind: "PartialObjectMetadata", metadata: { name: "s" }, spec: undefined };
  const metadataOnly = true;
  t.match(await kube.patch(SUBNETS, { name: "s" }, merge, { metadataOnly }), partial);
  t.match(await kube.create(SUBNETS, { metadata: { name: "s2" } }, { metadataOnly }), {
    kind: "PartialObjectMetadata",
  });
  t.match(await kube.update(SUBNETS, await kube.get(SUBNETS, { name: "s" }), { metadataOnly }), partial);

  await t.rejects(kube.delete(SUBNETS, { name: "s" }, { preconditions: { uid: "other" } }), { code: "conflict" });
  await kube.delete(SUBNETS, { name: "s" }, { preconditions: { uid: created.metadata.uid } });
  await t.rejects(kube.get(SUBNETS, { name: "s" }), {
    name: "KubeError",
    code: "not-found",
    message: /^get subnets.kubeovn.io s: .*\(404 NotFound\)$/,
  });
  await t.rejects(kube.get(PODS, { name: "a" }), { code: "invalid", message: /namespace is missing/ });
  await t.rejects(kube.delete(SUBNETS, { name: "" }), { code: "invalid", message: /name is empty/ });
});

t.test("an informer over HTTP lists pages, watches, and continues after its connection was cut", async (t) => {
  const fake = fakeKube();
  const sockets = new Set<Socket>();
  const served = await serveKube(fake);
  served.server.on("connection", (socket: Socket) => sockets.add(socket));
  t.teardown(() => served.close());
  const { kube } = connect(t, served.url);
  for (let n = 0; n < 7; n++) await fake.create(PODS, { metadata: { name: `p${n}`, namespace: "default" } });
  const pods = informer<Pod, string>(kube, PODS, {
    project: (pod) => pod.metadata.name,
    pageSize: 3,
    backoff: { firstMs: 5, maxMs: 20 },
  });
  t.teardown(() => pods.stop());
  const changed = (): Promise<unknown> =>
    new Promise((resolve) => {
      const end = pods.subscribe((change) => {
        end();
        resolve(change);
      });
    });
  pods.start();
  await pods.whenSynced();
  t.equal(pods.size, 7);
  for (let round = 0; round < 3; round++) {
    const heard = changed();
    for (const socket of sockets) socket.destroy();
    await fake.create(PODS, { metadata: { name: `new${round}`, namespace: "default" } });
    t.same(await heard, { key: `default/new${round}`, new: `new${round}` });
  }
  t.equal(fake.requests.filter(({ verb }) => verb === "list").length, 3, "one list of three pages");
});

t.test("a silent connection is replaced", async (t) => {
  let watches = 0;
  const { url } = await listen(t, (request, response) => {
    if (!request.url?.includes("watch=true")) {
      response.end('{"metadata":{"resourceVersion":"1"},"items":[]}');
      return;
    }
    watches += 1;
    response.writeHead(200).flushHeaders();
    if (watches === 2) response.write(`{"type":"ADDED","object":${POD}}\n`);
  });
  const { kube } = connect(t, url);
  const pods = informer(kube, PODS, { project: () => true, silenceMs: 50, backoff: { firstMs: 1, maxMs: 1 } });
  t.teardown(() => pods.stop());
  const heard = new Promise((resolve) => pods.subscribe(resolve));
  pods.start();
  t.same(await heard, { key: "default/a", new: true });
  t.equal(watches, 2);
});

t.test("a watch that is cut within an event delivers only complete events", async (t) => {
  const { url } = await listen(t, (_, response) => {
    response.write(`{"type":"ADDED","object":${POD}}\n{"type":"DELETED","object":{"metadata":{"na`, () =>
      response.destroy(),
    );
  });
  const { kube } = connect(t, url);
  const events: WatchEvent<KubeObject>[] = [];
  const { signal } = new AbortController();
  await t.rejects(
    kube.watch(PODS, { resourceVersion: "1", timeoutSeconds: 300, signal }, (event) => events.push(event)),
    { code: "unavailable", message: "watch pods: the connection broke before the end of the answer" },
  );
  t.match(events, [{ type: "ADDED", object: { metadata: { name: "a" } } }]);
});

t.test("a watch that ends normally resolves; one that ends within an event does not", async (t) => {
  const { url } = await listen(
    t,
    (request, response) =>
      void response.end(request.url?.includes("pods") ? `{"type":"ADDED","object":${POD}}\n` : '{"type":"ADDED"'),
  );
  const { kube } = connect(t, url);
  const { signal } = new AbortController();
  const options = { resourceVersion: "1", timeoutSeconds: 300, signal };
  await kube.watch(PODS, options, () => undefined);
  await t.rejects(
    kube.watch(SUBNETS, options, () => undefined),
    { code: "unavailable" },
  );
});

t.test("an event beyond the limit ends the watch, an answer beyond it the call", async (t) => {
  const { url } = await listen(t, (_, response) => {
    for (let n = 0; n < 100; n++) response.write("x".repeat(1_000));
    response.end();
  });
  const { kube } = connect(t, url, { maxEventBytes: 5_000, maxAnswerBytes: 5_000 });
  const { signal } = new AbortController();
  const watch = kube.watch(PODS, { resourceVersion: "1", timeoutSeconds: 300, signal }, () => undefined);
  await t.rejects(watch, { code: "too-large" });
  await t.rejects(kube.get(PODS, REF), { code: "too-large", message: /^get pods default\/a: / });
});

t.test("too many requests: the call is repeated when the API server says, a limited number of times", async (t) => {
  let asked = 0;
  let refusals = 2;
  const { url } = await listen(t, (_, response) => {
    asked += 1;
    if (asked > refusals) response.end(POD);
    else response.writeHead(429, { "retry-after": "0" }).end('{"reason":"TooManyRequests","message":"slow down"}');
  });
  const { kube } = connect(t, url);
  t.match(await kube.get(PODS, REF), { metadata: { name: "a" } });
  t.equal(asked, 3);
  asked = 0;
  refusals = 1_000;
  await t.rejects(kube.get(PODS, REF), { code: "throttled", status: 429, retryable: true });
  t.equal(asked, 5);
});

t.test("a 5xx is repeated only if the API server says when", async (t) => {
  let asked = 0;
  const { url } = await listen(t, (request, response) => {
    asked += 1;
    if (request.url?.includes("pods")) response.writeHead(500).end("etcdserver: leader changed");
    else if (asked === 2) response.writeHead(503, { "retry-after": "0" }).end();
    else response.end(POD);
  });
  const { kube } = connect(t, url);
  await t.rejects(kube.get(PODS, REF), { code: "internal", message: /leader changed/ });
  t.equal(asked, 1);
  await kube.get(CONFIG_MAPS, REF);
  t.equal(asked, 3);
});

t.test("a deadline ends a call that hangs before, within or between answers, or waits for its turn", async (t) => {
  const { url } = await listen(t, (request, response) => {
    if (request.url?.includes("configmaps")) response.writeHead(200, { "content-length": "100" }).write("{");
    if (request.url?.includes("subnets")) response.writeHead(429, { "retry-after": "9" }).end();
  });
  const { kube } = connect(t, url, { maxRunning: 3 });
  const calls = [
    kube.get(PODS, REF, { deadlineMs: 40 }),
    kube.get(CONFIG_MAPS, REF, { deadlineMs: 40 }),
    kube.get(SUBNETS, { name: "s" }, { deadlineMs: 40 }),
    kube.get(PODS, REF, { deadlineMs: 20 }),
  ];
  for (const outcome of await Promise.allSettled(calls)) {
    t.match(outcome, { status: "rejected", reason: { code: "timeout", message: /: no answer within \d+ ms$/ } });
  }
});

t.test("the caller's signal ends a call; a signal that fired before sends nothing", async (t) => {
  let asked = 0;
  const arrived = Promise.withResolvers<void>();
  const { url } = await listen(t, () => {
    asked += 1;
    arrived.resolve();
  });
  const { kube } = connect(t, url);
  const controller = new AbortController();
  const call = kube.get(PODS, REF, { signal: controller.signal });
  await arrived.promise;
  controller.abort();
  await t.rejects(call, { code: "aborted", message: "get pods default/a: aborted by the caller" });
  await t.rejects(kube.get(PODS, REF, { signal: controller.signal }), { code: "aborted" });
  t.equal(asked, 1);
});

t.test("calls beyond the limit wait, and beyond the queue's limit are refused", async (t) => {
  let running = 0;
  let most = 0;
  const { url } = await listen(t, (_, response) => {
    running += 1;
    most = Math.max(most, running);
    setImmediate(() => {
      running -= 1;
      response.end(POD);
    });
  });
  const { kube } = connect(t, url, { maxRunning: 4, maxWaiting: 16 });
  const results = await Promise.allSettled(Array.from({ length: 30 }, () => kube.get(PODS, REF)));
  t.equal(results.filter(({ status }) => status === "fulfilled").length, 20);
  t.equal(results.filter((each) => each.status === "rejected" && each.reason.code === "overloaded").length, 10);
  t.ok(most <= 4, `${most} at once`);
});

t.test("a kept connection that was closed meanwhile is replaced, except for a creation", async (t) => {
  const { url } = await listen(t, (request, response) => {
    // A server that closes the connection instead of answering its second request.
    const socket = request.socket as Socket & { used?: boolean };
    if (socket.used) socket.resetAndDestroy();
    else response.end(POD);
    socket.used = true;
  });
  const { kube } = connect(t, url);
  for (let n = 0; n < 3; n++) t.match(await kube.get(PODS, REF), { metadata: { name: "a" } });
  await t.rejects(kube.create(PODS, { metadata: REF }), { code: "unavailable" });
});

t.test("no listener: unavailable, with the call and the address", async (t) => {
  const { url, server } = await listen(t, () => undefined);
  server.close();
  const { kube } = connect(t, url);
  await t.rejects(kube.list(PODS), {
    code: "unavailable",
    retryable: true,
    message: /^list pods: .*ECONNREFUSED 127.0.0.1/,
  });
});

t.test("an answer that is not JSON, or not from an API server, is a protocol error", async (t) => {
  const { url } = await listen(t, (request, response) => {
    if (request.url?.includes("pods")) response.end("<html>");
    else response.writeHead(302, { location: "/login" }).end();
  });
  const { kube } = connect(t, url);
  await t.rejects(kube.get(PODS, REF), { code: "protocol" });
  await t.rejects(kube.get(SUBNETS, { name: "s" }), { code: "protocol", status: 302 });
});

t.test("close ends calls and watches", async (t) => {
  const arrived = Promise.withResolvers<void>();
  let asked = 0;
  const { url } = await listen(t, (request, response) => {
    if (request.url?.includes("watch")) response.writeHead(200).flushHeaders();
    asked += 1;
    if (asked === 2) arrived.resolve();
  });
  const connection = connect(t, url);
  const { signal } = new AbortController();
  const call = connection.kube.get(PODS, REF);
  const watch = connection.kube.watch(PODS, { resourceVersion: "1", timeoutSeconds: 300, signal }, () => undefined);
  await arrived.promise;
  connection.close();
  await t.rejects(call, KubeError);
  await t.rejects(watch, KubeError);
  await t.rejects(connection.kube.get(PODS, REF), { code: "aborted" });
});

t.test("a path in the server's address is kept, and the user agent is sent", async (t) => {
  let seen = "";
  const { url } = await listen(t, (request, response) => {
    seen = `${request.headers["user-agent"]} ${request.url}`;
    response.end(POD);
  });
  const { kube } = connect(t, `${url}/k8s/clusters/c-1/`);
  await kube.get(PODS, REF);
  t.equal(seen, "weft-test/1 /k8s/clusters/c-1/api/v1/namespaces/default/pods/a");
});
