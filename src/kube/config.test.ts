// SPDX-License-Identifier: Apache-2.0

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import t, { type Test } from "tap";
import { ManualClock } from "../time/testing/manual-clock.ts";
import { loadAccess } from "./config.ts";
import { connectTo } from "./connect.ts";
import { tokenFileCredentials } from "./credentials.ts";
import { SUBNETS } from "./resources.ts";
import { fakeKube } from "./testing/fake.ts";
import { serveKube } from "./testing/fake-http.ts";

async function kubeconfig(t: Test, user: object, cluster: object = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "weft-kubeconfig-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const path = join(folder, "config");
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "main",
    clusters: [{ name: "c", cluster: { server: "https://10.0.0.1:6443/", ...cluster } }],
    users: [{ name: "u", user }],
    contexts: [{ name: "main", context: { cluster: "c", user: "u", namespace: "ns" } }],
  };
  await writeFile(path, JSON.stringify(config));
  return path;
}

t.test(
  "a pod's service account is found, IPv6 addresses included, and its token is read again when it changes",
  async (t) => {
    const folder = t.testdir({ token: "first\n", "ca.crt": "CA", namespace: "kube-system" });
    const clock = new ManualClock();
    const access = await loadAccess({
      env: { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" },
      serviceAccountFolder: folder,
      clock,
    });
    t.equal(access.server.href, "https://[fd00::1]/");
    t.equal(access.namespace, "kube-system");
    t.same(await access.tls(), { ca: "CA", rejectUnauthorized: true });
    const token = async (): Promise<unknown> => (await access.credentials.identity()).headers["authorization"];
    t.equal(await token(), "Bearer first");
    await writeFile(join(folder, "token"), "second");
    t.equal(await token(), "Bearer first", "within a minute the file is not read again");
    await clock.advance(60_000);
    t.equal(await token(), "Bearer second");
    await writeFile(join(folder, "token"), "third");
    t.equal(access.credentials.refused(), true);
    t.equal(await token(), "Bearer third", "after a refusal it is");
    await writeFile(join(folder, "token"), "");
    await clock.advance(60_000);
    t.equal(await token(), "Bearer third", "the last token may still be valid");
  },
);

t.test("a missing token is reported", async (t) => {
  const credentials = tokenFileCredentials("/nonexistent/token", new ManualClock());
  await t.rejects(credentials.identity(), { code: "config", message: /^token file \/nonexistent\/token: ENOENT/ });
});

t.test("a kubeconfig in YAML, with paths relative to it", async (t) => {
  const folder = t.testdir({
    config: `apiVersion: v1
kind: Config
current-context: main
clusters:
- name: c
  cluster: {server: "https://example.org:6443", certificate-authority: pki/ca.crt, tls-server-name: kubernetes}
users:
- name: u
  user: {client-certificate-data: ${Buffer.from("CERT").toString("base64")}, client-key: pki/key.pem}
contexts:
- name: main
  context: {cluster: c, user: u}
`,
    pki: { "ca.crt": "CA", "key.pem": "KEY" },
  });
  const access = await loadAccess({ kubeconfig: join(folder, "config"), env: {} });
  t.equal(access.server.href, "https://example.org:6443/");
  t.same(await access.tls(), {
    ca: "CA",
    cert: "CERT",
    key: "KEY",
    servername: "kubernetes",
    rejectUnauthorized: true,
  });
});

t.test("users: token, token file, password, impersonation, plugin", async (t) => {
  const headers = async (user: object): Promise<unknown> => {
    const access = await loadAccess({ kubeconfig: await kubeconfig(t, user), env: {} });
    return (await access.credentials.identity()).headers;
  };
  const file = join(t.testdir({ token: "from-file" }), "token");
  t.same(await headers({ token: "abc", as: "jane" }), { authorization: "Bearer abc", "impersonate-user": "jane" });
  t.same(await headers({ token: "old", tokenFile: file }), { authorization: "Bearer from-file" });
  t.same(await headers({ username: "a", password: "b" }), { authorization: "Basic YTpi" });
  t.same(await headers({}), {});
  const answer = { kind: "ExecCredential", status: { token: "from-plugin" } };
  const script = `test -n "$KUBERNETES_EXEC_INFO" && echo '${JSON.stringify(answer)}'`;
  const exec = { apiVersion: "client.authentication.k8s.io/v1", command: "sh", args: ["-c", script] };
  t.same(await headers({ exec }), { authorization: "Bearer from-plugin" });
  await t.rejects(headers({ exec: { ...exec, args: ["-c", "echo sorry >&2; exit 3"] } }), {
    code: "config",
    message: /^credential plugin of user u: sorry/,
  });
});

t.test("a configuration that cannot work is reported when it is loaded", async (t) => {
  const load = async (user: object, cluster: object = {}, context?: string): Promise<unknown> =>
    await loadAccess({
      kubeconfig: await kubeconfig(t, user, cluster),
      env: {},
      ...(context === undefined ? {} : { context }),
    });
  await t.rejects(load({}, {}, "other"), { code: "config", message: /no context other/ });
  await t.rejects(load({}, { "proxy-url": "http://proxy" }), { code: "config", message: /proxy-url/ });
  await t.rejects(load({}, { server: "http://10.0.0.1" }), { code: "config", message: /without TLS/ });
  await t.rejects(load({}, { server: "ftp://x" }), { code: "config", message: /not a valid address/ });
  await t.rejects(loadAccess({ kubeconfig: "/nonexistent", env: {} }), { code: "config", message: /no kubeconfig at/ });
  const broken = join(t.testdir({ config: "{" }), "config");
  await t.rejects(loadAccess({ kubeconfig: broken, env: {} }), { code: "config", message: /^kubeconfig / });
});

t.test("several files in KUBECONFIG are merged; those that do not exist are skipped", async (t) => {
  const first = await kubeconfig(t, { token: "abc" });
  const access = await loadAccess({ env: { KUBECONFIG: `/nonexistent:${first}` } });
  t.equal(access.namespace, "ns");
  await t.rejects(loadAccess({ env: { HOME: "/nonexistent" } }), {
    message: "no kubeconfig at /nonexistent/.kube/config, and not in a pod; give --kubeconfig FILE, or set KUBECONFIG",
  });
});

t.test("a token that the API server refuses is read again, and the call succeeds", async (t) => {
  const fake = fakeKube();
  await fake.create(SUBNETS, { metadata: { name: "s" } });
  let valid = "one";
  const refused: string[] = [];
  const authorize = (request: IncomingMessage): boolean => {
    const good = request.headers.authorization === `Bearer ${valid}`;
    if (!good) refused.push(request.headers.authorization ?? "");
    return good;
  };
  const served = await serveKube(fake, { authorize });
  t.teardown(() => served.close());
  const tokenFile = join(t.testdir({ token: "one" }), "token");
  const path = await kubeconfig(t, { tokenFile }, { server: served.url });
  const connection = connectTo(await loadAccess({ kubeconfig: path, env: {} }), { userAgent: "test" });
  t.teardown(() => connection.close());
  await connection.kube.get(SUBNETS, { name: "s" });
  valid = "two";
  await writeFile(tokenFile, "two");
  await connection.kube.get(SUBNETS, { name: "s" });
  t.same(refused, ["Bearer one"]);
  valid = "three";
  await t.rejects(connection.kube.get(SUBNETS, { name: "s" }), { code: "unauthorized", status: 401 });
  t.equal(refused.length, 3, "tried twice, not more");
});

const openssl = ["/usr/bin/openssl", "/usr/local/bin/openssl"].find((path) => existsSync(path));

t.test(
  "TLS: the server's certificate is verified, the client's is sent, renewed files are used",
  { skip: openssl === undefined && "needs openssl to create certificates" },
  async (t) => {
    const folder = t.testdir({});
    const make = (name: string): void => {
      const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
      const names = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"];
      const files = ["-keyout", join(folder, `${name}.key`), "-out", join(folder, `${name}.crt`)];
      execFileSync(openssl ?? "", [...args, ...names, ...files], { stdio: "ignore" });
    };
    for (const name of ["server", "other", "client"]) make(name);
    const read = (file: string): string => readFileSync(join(folder, file), "utf8");
    const fake = fakeKube();
    await fake.create(SUBNETS, { metadata: { name: "s" } });
    const tls = { key: read("server.key"), cert: read("server.crt"), ca: read("client.crt"), requestCert: true };
    const callers: string[] = [];
    const served = await serveKube(fake, {
      tls,
      authorize(request) {
        callers.push(String((request.socket as TLSSocket).getPeerCertificate().subject?.CN));
        return (request.socket as TLSSocket).authorized;
      },
    });
    t.teardown(() => served.close());
    await writeFile(join(folder, "ca.crt"), read("other.crt"));
    const user = { "client-certificate": join(folder, "client.crt"), "client-key": join(folder, "client.key") };
    const path = await kubeconfig(t, user, { server: served.url, "certificate-authority": join(folder, "ca.crt") });
    const connection = connectTo(await loadAccess({ kubeconfig: path, env: {} }), { userAgent: "test" });
    t.teardown(() => connection.close());
    await t.rejects(connection.kube.get(SUBNETS, { name: "s" }), {
      code: "unavailable",
      message: /self-signed|unable/,
    });
    await writeFile(join(folder, "ca.crt"), read("server.crt"));
    t.match(await connection.kube.get(SUBNETS, { name: "s" }), { metadata: { name: "s" } });
    t.same(callers, ["client"]);
  },
);
