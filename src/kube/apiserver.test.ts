// SPDX-License-Identifier: Apache-2.0

import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import t, { type Test } from "tap";
import type { ClusterAccess } from "./config.ts";
import { connectTo } from "./connect.ts";
import { staticCredentials } from "./credentials.ts";
import { KubeError } from "./errors.ts";
import { eventRecorder } from "./event-recorder.ts";
import { type Informer, informer } from "./informer.ts";
import type { Kube } from "./kube.ts";
import type { CustomObject, KubeObject } from "./object.ts";
import { execInPod } from "./pod-exec.ts";
import { publishLease, readLease } from "./published-lease.ts";
import { isReplaced } from "./replaced.ts";
import { CONFIG_MAPS, CRDS, EVENTS, NAMESPACES, NODES, PODS, SUBNETS } from "./resources.ts";
import { fakeKube } from "./testing/fake.ts";
import type { KubeEvent, Namespace, Node, Pod } from "./types.ts";
import { waitFor } from "./wait.ts";

/** A real kube-apiserver on a real etcd, both on loopback, with an administrator and a user without rights. */
interface ApiServer {
  readonly access: (token: "admin" | "unprivileged") => ClusterAccess;
  readonly start: () => void;
  /** Ends the API server, not etcd. */
  readonly kill: () => Promise<void>;
  readonly signal: (name: "SIGSTOP" | "SIGCONT") => void;
}

function findBinary(name: string): string | undefined {
  const cache = process.env["WEFT_CACHE"] ?? join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "weft");
  const kube = join(cache, "kube");
  const folders = [
    process.env["WEFT_KUBE_BIN"] ?? "",
    ...(process.env["PATH"] ?? "").split(delimiter),
    ...(existsSync(kube) ? readdirSync(kube).map((each) => join(kube, each)) : []),
  ];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

async function launch(t: Test, etcd: string, binary: string): Promise<ApiServer> {
  const folder = await mkdtemp(join(tmpdir(), "weft-apiserver-"));
  const [client, peer, port] = [await freePort(), await freePort(), await freePort()];
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  await writeFile(join(folder, "sa.key"), privateKey.export({ type: "sec1", format: "pem" }));
  await writeFile(join(folder, "tokens"), 'admin,admin,1,"system:masters"\nunprivileged,unprivileged,2\n');
  const run = (command: string, flags: Readonly<Record<string, string>>): ChildProcess =>
    spawn(
      command,
      Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
      { cwd: folder, stdio: "ignore" },
    );
  const storage = run(etcd, {
    "data-dir": "etcd",
    "listen-client-urls": `http://127.0.0.1:${client}`,
    "advertise-client-urls": `http://127.0.0.1:${client}`,
    "listen-peer-urls": `http://127.0.0.1:${peer}`,
    "initial-advertise-peer-urls": `http://127.0.0.1:${peer}`,
    "initial-cluster": `default=http://127.0.0.1:${peer}`,
    "unsafe-no-fsync": "true",
  });
  let server: ChildProcess | undefined;
  const end = async (child: ChildProcess | undefined): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  };
  t.teardown(async () => {
    await end(server);
    await end(storage);
    await rm(folder, { recursive: true });
  });
  return {
    access: (token) => ({
      server: new URL(`https://127.0.0.1:${port}`),
      namespace: undefined,
      credentials: staticCredentials({ authorization: `Bearer ${token}` }),
      tls: async () => ({ ca: await readFile(join(folder, "certs/apiserver.crt"), "utf8"), rejectUnauthorized: true }),
    }),
    start() {
      server = run(binary, {
        "etcd-servers": `http://127.0.0.1:${client}`,
        "secure-port": String(port),
        "bind-address": "127.0.0.1",
        "cert-dir": "certs",
        "service-account-key-file": "sa.key",
        "service-account-signing-key-file": "sa.key",
        "service-account-issuer": "https://kubernetes.default.svc",
        "token-auth-file": "tokens",
        "authorization-mode": "RBAC",
        "service-cluster-ip-range": "10.96.0.0/16",
        "disable-admission-plugins": "ServiceAccount",
      });
    },
    kill: async () => await end(server),
    signal: (name) => void server?.kill(name),
  };
}

const OPEN = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
const SUBNET_CRD = {
  metadata: { name: "subnets.kubeovn.io" },
  spec: {
    group: "kubeovn.io",
    scope: "Cluster",
    names: { plural: "subnets", singular: "subnet", kind: "Subnet" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: { openAPIV3Schema: { type: "object", properties: { spec: OPEN, status: OPEN } } },
      },
    ],
  },
};

/** Makes many calls and records the result of each: the fake and the real API server must give the same. */
async function transcript(kube: Kube): Promise<string[]> {
  const lines: string[] = [];
  const S = { name: "s" };
  const finalizers = ["kubeovn.io/kube-ovn-controller"];
  const merge = (body: object) => ({ type: "merge", body }) as const;
  const json = (...body: readonly { op: "remove" | "test"; path: string; value?: unknown }[]) =>
    ({ type: "json", body: body as never }) as const;
  let stale: KubeObject | undefined;
  const step = async (title: string, act: () => Promise<KubeObject | undefined>): Promise<void> => {
    try {
      const object = await act();
      const { generation, labels, annotations, finalizers: held, deletionTimestamp } = object?.metadata ?? {};
      const deleting = deletionTimestamp !== undefined;
      const { spec, status } = object ?? {};
      const shown = object?.kind === "Subnet" ? { spec, status } : {};
      lines.push(
        `${title}: ${object?.kind} ${JSON.stringify({ generation, labels, annotations, held, deleting, ...shown })}`,
      );
    } catch (error) {
      lines.push(`${title}: ${error instanceof KubeError ? `${error.code} ${error.status} ${error.reason}` : error}`);
    }
  };
  const none = async (act: Promise<void>): Promise<undefined> => {
    await act;
    return undefined;
  };
  const body = { metadata: { ...S, finalizers, labels: {} }, spec: { a: 1 }, status: { b: 1 } };
  await step(
    "create as a dry run",
    async () => await kube.create<CustomObject<object>>(SUBNETS, body, { dryRun: true }),
  );
  await step("create", async () => {
    stale = await kube.create<CustomObject<object>>(SUBNETS, body);
    return stale;
  });
  await step("create again", async () => await kube.create<CustomObject<object>>(SUBNETS, body));
  await step("create without a name", async () => await kube.create(SUBNETS, { metadata: {} }));
  await step(
    "status",
    async () =>
      await kube.patch(SUBNETS, S, merge({ status: { c: 2 }, spec: { a: 3 }, metadata: { labels: { x: "y" } } }), {
        subresource: "status",
      }),
  );
  await step(
    "spec",
    async () =>
      await kube.patch(SUBNETS, S, merge({ spec: { a: 3 }, status: { c: 4 }, metadata: { labels: { x: "y" } } })),
  );
  await step("nothing", async () => await kube.patch(SUBNETS, S, merge({ spec: { a: 3 } })));
  await step(
    "remove a key",
    async () => await kube.patch(SUBNETS, S, merge({ spec: { a: null }, metadata: { labels: null } })),
  );
  await step("dry run", async () => await kube.patch(SUBNETS, S, merge({ spec: { a: 9 } }), { dryRun: true }));
  await step("read", async () => await kube.get(SUBNETS, S));
  await step("stale update", async () => await kube.update(SUBNETS, stale as KubeObject));
  await step(
    "stale patch",
    async () => await kube.patch(SUBNETS, S, merge({ metadata: { resourceVersion: stale?.metadata.resourceVersion } })),
  );
  await step(
    "other uid",
    async () => await kube.patch(SUBNETS, S, merge({ metadata: { uid: "00000000-0000-4000-8000-ffffffffffff" } })),
  );
  await step("update without a version", async () => await kube.update(SUBNETS, { metadata: { ...S } } as KubeObject));
  await step(
    "failing test",
    async () => await kube.patch(SUBNETS, S, json({ op: "test", path: "/metadata/name", value: "x" })),
  );
  await step(
    "a missing object is null",
    async () => await kube.patch(SUBNETS, S, json({ op: "test", path: "/metadata/annotations", value: null })),
  );
  await step("missing path", async () => await kube.patch(SUBNETS, S, json({ op: "remove", path: "/spec/z" })));
  await step(
    "apply",
    async () =>
      await kube.patch(SUBNETS, S, { type: "apply", fieldManager: "weft", force: true, body: { spec: { d: 5 } } }),
  );
  await step(
    "apply to nothing",
    async () =>
      await kube.patch(SUBNETS, { name: "new" }, { type: "apply", fieldManager: "weft", body: { spec: { d: 5 } } }),
  );
  await step(
    "metadata only",
    async () => await kube.patch(SUBNETS, S, merge({ spec: { e: 6 } }), { metadataOnly: true }),
  );
  await step(
    "conflict, metadata only",
    async () => await kube.create<CustomObject<object>>(SUBNETS, body, { metadataOnly: true }),
  );
  await step("patch of nothing", async () => await kube.patch(SUBNETS, { name: "none" }, merge({})));
  await step("delete of nothing", async () => await none(kube.delete(SUBNETS, { name: "none" })));
  await step(
    "delete another",
    async () => await none(kube.delete(SUBNETS, S, { preconditions: { uid: "00000000-0000-4000-8000-ffffffffffff" } })),
  );
  await step("delete", async () => await none(kube.delete(SUBNETS, S)));
  await step("deleted", async () => await kube.get(SUBNETS, S));
  await step("delete again", async () => await none(kube.delete(SUBNETS, S)));
  await step(
    "new finalizer",
    async () => await kube.patch(SUBNETS, S, merge({ metadata: { finalizers: [...finalizers, "a.b/c"] } })),
  );
  await step("last finalizer", async () => await kube.patch(SUBNETS, S, merge({ metadata: { finalizers: null } })));
  await step("gone", async () => await kube.get(SUBNETS, S));
  await step("absent type", async () => none((async () => void (await kube.list({ ...SUBNETS, plural: "vpcs" })))()));
  const M = { namespace: "default", name: "m" };
  await step("config map", async () => await kube.create(CONFIG_MAPS, { metadata: M }));
  await step("no status", async () => await kube.patch(CONFIG_MAPS, M, merge({}), { subresource: "status" }));
  await step("node", async () => await kube.create<Node>(NODES, { metadata: { name: "n" } }));
  await step(
    "node status",
    async () =>
      await kube.patch(NODES, { name: "n" }, merge({ metadata: { annotations: { a: "b" } } }), {
        subresource: "status",
      }),
  );
  const P = { namespace: "default", name: "p" };
  const pod = { containers: [{ name: "c", image: "i" }], nodeName: "n" };
  await step("pod", async () => await kube.create<Pod>(PODS, { metadata: P, spec: pod }));
  await step("delete pod", async () => await none(kube.delete(PODS, P)));
  await step("deleted pod", async () => await kube.get(PODS, P));
  await step("kill pod", async () => await none(kube.delete(PODS, P, { gracePeriodSeconds: 0 })));
  await step("pod gone", async () => await kube.get(PODS, P));
  return lines;
}

const etcd = findBinary("etcd");
const apiserver = findBinary("kube-apiserver");
const skip =
  etcd === undefined || apiserver === undefined ? "needs etcd and kube-apiserver (the lab brings them)" : false;

t.test("against a real kube-apiserver", { skip, timeout: 280_000 }, async (t) => {
  const server = await launch(t, etcd ?? "", apiserver ?? "");
  const admin = connectTo(server.access("admin"), { userAgent: "weft-test/1" });
  t.teardown(() => admin.close());
  const { kube } = admin;
  const backoff = { firstMs: 50, maxMs: 300 };
  const informers: Informer<unknown>[] = [];
  t.teardown(async () => void (await Promise.all(informers.map((each) => each.stop()))));
  const signal = AbortSignal.timeout(50_000);

  // Started before the API server runs, and before it serves the type.
  const changes: string[] = [];
  const namespaces = informer<Namespace, string>(kube, NAMESPACES, {
    project: (each) => each.metadata.resourceVersion,
    backoff,
    silenceMs: 1_000,
  });
  const subnets = informer<CustomObject<object>, number>(kube, SUBNETS, {
    project: (each) => each.metadata.generation ?? 0,
    backoff,
  });
  informers.push(namespaces, subnets);
  namespaces.subscribe(({ key, old, new: now }) =>
    changes.push(`${old === undefined ? "+" : now === undefined ? "-" : "~"}${key}`),
  );
  for (const each of informers) each.start();
  server.start();
  await namespaces.whenSynced(signal);
  await waitFor(namespaces, "default", (version) => version, signal);

  await t.test("an informer waits for a type that is not served", async (t) => {
    t.equal(subnets.synced, false);
    await kube.create(CRDS, SUBNET_CRD as never);
    await subnets.whenSynced(signal);
    t.equal(subnets.state === "watching" || subnets.state === "listing", true);
  });

  await t.test("the fake API server behaves like the real one", async (t) => {
    const fake = fakeKube();
    fake.serveType({ ...SUBNETS, plural: "vpcs" }, false);
    t.same(await transcript(fake), await transcript(kube));
    t.equal(await waitFor(subnets, "new", (generation) => generation, signal), 1);
  });

  await t.test("a recreated object is distinguished from a changed one", async (t) => {
    const D = { namespace: "default", name: "druid-0" };
    const make = async (): Promise<KubeObject> => await kube.create(CONFIG_MAPS, { metadata: D });
    const { uid, resourceVersion } = (await make()).metadata;
    const annotate = (body: object): Promise<unknown> => kube.patch(CONFIG_MAPS, D, { type: "merge", body });
    await annotate({ metadata: { labels: { changed: "meanwhile" } } });
    await t.rejects(annotate({ metadata: { uid, resourceVersion, labels: { a: "b" } } }), { code: "conflict" });
    t.equal(await isReplaced(kube, CONFIG_MAPS, D, uid), false);
    await kube.delete(CONFIG_MAPS, D);
    t.equal(await isReplaced(kube, CONFIG_MAPS, D, uid), true, "gone");
    await make();
    await t.rejects(annotate({ metadata: { uid, labels: { a: "b" } } }), { code: "invalid" });
    await t.rejects(kube.delete(CONFIG_MAPS, D, { preconditions: { uid } }), { code: "conflict" });
    t.equal(await isReplaced(kube, CONFIG_MAPS, D, uid), true);
  });

  await t.test("a user without rights gets forbidden", async (t) => {
    const unprivileged = connectTo(server.access("unprivileged"), { userAgent: "weft-test/1" });
    t.teardown(() => unprivileged.close());
    await t.rejects(unprivileged.kube.list(PODS), {
      code: "forbidden",
      status: 403,
      message: /^list pods: pods is forbidden/,
    });
  });

  await t.test(
    "a command in a pod is accepted as a WebSocket, and its failure told by it; a refusal names the right",
    async (t) => {
      // No kubelet: nothing listens at port 9.
      const kubelet = {
        addresses: [{ type: "InternalIP", address: "127.0.0.1" }],
        daemonEndpoints: { kubeletEndpoint: { Port: 9 } },
      };
      await kube.create(NODES, { metadata: { name: "weft-9" } });
      await kube.patch(
        NODES,
        { name: "weft-9" },
        { type: "merge", body: { status: kubelet } },
        { subresource: "status" },
      );
      const pod = { namespace: "default", name: "commands" };
      const spec = { nodeName: "weft-9", containers: [{ name: "c", image: "c" }] };
      await kube.create<KubeObject>(PODS, { metadata: pod, spec });
      const request = { container: "c", command: ["true"], stdin: true, tty: false, signal };
      const ignored = { stdout: () => undefined, stderr: () => undefined };
      const running = await execInPod(admin.sockets, pod, request, ignored);
      await t.rejects(running.ended, { code: "internal", message: /127\.0\.0\.1:9.*connection refused/ });
      const unprivileged = connectTo(server.access("unprivileged"), { userAgent: "weft-test/1" });
      t.teardown(() => unprivileged.close());
      await t.rejects(execInPod(unprivileged.sockets, pod, request, ignored), {
        code: "forbidden",
        message: /cannot get resource "pods\/exec" in API group "" in the namespace "default"/,
      });
      const log = { container: "c", follow: false, signal };
      await t.rejects(unprivileged.streamLog(pod, log), {
        code: "forbidden",
        message: /cannot get resource "pods\/log"/,
      });
    },
  );

  await t.test("the API server accepts Events and Leases", async (t) => {
    const failures: unknown[] = [];
    const onError = (error: unknown): unknown => failures.push(error);
    const recorder = eventRecorder(kube, { component: "kube-ovn-controller", host: "weft-1", onError });
    const subject = { type: SUBNETS, name: "new", uid: "u" };
    recorder.record(subject, "Warning", "InvalidCIDR", "text");
    recorder.record(subject, "Warning", "InvalidCIDR", "text");
    await recorder.stop();
    const { items } = await kube.list<KubeEvent>(EVENTS, {
      namespace: "default",
      fieldSelector: "involvedObject.uid=u",
    });
    t.match(items, [{ count: 2, source: { component: "kube-ovn-controller", host: "weft-1" }, reason: "InvalidCIDR" }]);
    const ref = { namespace: "kube-system", name: "kube-ovn-controller" };
    const published = async (holder: string): Promise<void> => {
      const lease = publishLease(kube, { ...ref, holder, renewMs: 20, onError });
      while ((await readLease(kube, ref))?.holder !== holder) await new Promise(setImmediate);
      await lease.stop();
    };
    await published("one");
    t.match(await readLease(kube, ref), { holder: "", transitions: 0 });
    await published("two");
    t.match(await readLease(kube, ref), { holder: "", transitions: 1 });
    t.same(failures, []);
  });

  await t.test(
    "after a kill and a restart, changes that happened meanwhile are reported, and nothing else",
    async (t) => {
      await kube.create(NAMESPACES, { metadata: { name: "before" } });
      await waitFor(namespaces, "before", (version) => version, signal);
      changes.length = 0;
      await server.kill();
      await t.rejects(kube.list(PODS), { code: "unavailable" });
      server.start();
      const other = connectTo(server.access("admin"), { userAgent: "weft-test/1" });
      t.teardown(() => other.close());
      const again = informer(other.kube, NAMESPACES, { project: () => true, backoff });
      informers.push(again);
      again.start();
      await again.whenSynced(signal);
      await other.kube.create(NAMESPACES, { metadata: { name: "after" } });
      await waitFor(namespaces, "after", (version) => version, signal);
      t.same(changes, ["+after"]);
    },
  );

  await t.test("frozen: the silence is detected, and its end", async (t) => {
    const silent = Promise.withResolvers<void>();
    const frozen = informer(kube, NAMESPACES, {
      project: () => true,
      silenceMs: 200,
      backoff,
      onError: () => silent.resolve(),
    });
    informers.push(frozen);
    frozen.start();
    await frozen.whenSynced(signal);
    server.signal("SIGSTOP");
    await silent.promise;
    t.match(frozen.lastError, { code: "timeout" });
    await t.rejects(kube.list(PODS, { deadlineMs: 100 }), { code: "timeout" });
    server.signal("SIGCONT");
    await kube.create(NAMESPACES, { metadata: { name: "thawed" } });
    t.equal(await waitFor(frozen, "thawed", (found) => found, signal), true);
  });
});
