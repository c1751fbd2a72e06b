// SPDX-License-Identifier: Apache-2.0

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import t, { type Test } from "tap";
import type { Credentials } from "./credentials.ts";
import { kubeconfigCredentials } from "./kubeconfig-credentials.ts";

const credentialsOf = (user: object): Credentials =>
  kubeconfigCredentials({ name: "u", ...user }, () => new KubeConfig());

/** A plugin that records each run and prints `status`. */
function plugin(t: Test, status: object) {
  const runs = join(t.testdir({}), "runs");
  const script = 'echo run >> "$RUNS"; test -n "$KUBERNETES_EXEC_INFO" && printf %s "$ANSWER"';
  const env = [
    { name: "RUNS", value: runs },
    { name: "ANSWER", value: JSON.stringify({ kind: "ExecCredential", status }) },
  ];
  const credentials = credentialsOf({ exec: { command: "sh", args: ["-c", script], env } });
  const count = async (): Promise<number> => (await readFile(runs, "utf8").catch(() => "")).split("\n").length - 1;
  return { credentials, count };
}

t.test("a plugin is run once for requests that wait together, and again after a refusal", async (t) => {
  const { credentials, count } = plugin(t, { token: "a", clientCertificateData: "CERT", clientKeyData: "KEY" });
  t.equal(await count(), 0, "not before it is needed");
  const [one, two] = await Promise.all([credentials.identity(), credentials.identity()]);
  t.strictSame(one, { headers: { authorization: "Bearer a" }, cert: "CERT", key: "KEY" });
  t.strictSame(two, one);
  await credentials.identity();
  t.equal(await count(), 1);
  t.equal(credentials.refused(), true);
  await credentials.identity();
  t.equal(await count(), 2);
});

t.test("expired credentials are requested again, and not before", async (t) => {
  const fresh = plugin(t, { token: "a", expirationTimestamp: "2999-01-01T00:00:00Z" });
  await fresh.credentials.identity();
  await fresh.credentials.identity();
  t.equal(await fresh.count(), 1);
  for (const expirationTimestamp of ["2020-01-01T00:00:00Z", "soon"]) {
    const expired = plugin(t, { token: "a", expirationTimestamp });
    await expired.credentials.identity();
    await Promise.all([expired.credentials.identity(), expired.credentials.identity()]);
    t.equal(await expired.count(), 2, `${expirationTimestamp}: once for both`);
  }
});

t.test("a plugin that fails, or prints something else, is reported, and run again by the next request", async (t) => {
  const failing = (script: string): Credentials =>
    credentialsOf({ exec: { command: "sh", args: ["-c", script], env: null } });
  const rejects = async (credentials: Credentials, message: RegExp): Promise<void> => {
    await t.rejects(credentials.identity(), { code: "config", message });
  };
  await rejects(failing("echo sorry >&2; exit 3"), /^credential plugin of user u: sorry$/);
  await rejects(failing("exit 3"), /^credential plugin of user u: failed and wrote nothing to stderr$/);
  await rejects(failing("head -c 5000 /dev/zero | tr '\\0' x >&2; exit 3"), /: x{1000}$/);
  await rejects(failing("echo '{}'"), /^credential plugin of user u: .*undefined/);
  await rejects(failing("echo '{'"), /JSON/);
  await rejects(credentialsOf({ exec: { command: "/nonexistent" } }), /ENOENT/);
  await rejects(credentialsOf({ exec: {} }), /No command was specified/);
  for (const first of ["exit 1", "echo '{}'; exit"]) {
    const file = join(t.testdir({}), "there");
    const second = failing(`test -e ${file} || { touch ${file}; ${first}; }; echo '{"status":{"token":"b"}}'`);
    await rejects(second, /plugin/);
    t.strictSame(await second.identity(), { headers: { authorization: "Bearer b" } }, first);
  }
});

t.test("an auth-provider that client-node supports gives its token; another one is reported", async (t) => {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const idToken = `${part({ alg: "none" })}.${part({ exp: 32_503_680_000 })}.x`;
  const oidc = credentialsOf({ authProvider: { name: "oidc", config: { "id-token": idToken } } });
  t.strictSame(await oidc.identity(), { headers: { authorization: `Bearer ${idToken}` } });
  await t.rejects(credentialsOf({ authProvider: { name: "other" } }).identity(), {
    code: "config",
    message: "credentials of user u: auth-provider other is not supported, or has no token",
  });
});

t.test("a token file is read again after a refusal, and impersonation is applied", async (t) => {
  const tokenFile = join(t.testdir({ token: "one\n" }), "token");
  const credentials = credentialsOf({
    authProvider: { name: "tokenFile", config: { tokenFile } },
    impersonateUser: "jane",
  });
  const token = async (): Promise<unknown> => (await credentials.identity()).headers;
  t.strictSame(await token(), { authorization: "Bearer one", "impersonate-user": "jane" });
  await writeFile(tokenFile, "two");
  t.match(await token(), { authorization: "Bearer one" });
  t.equal(credentials.refused(), true);
  t.match(await token(), { authorization: "Bearer two" });
  t.equal(credentialsOf({ token: "a" }).refused(), false, "a literal token stays");
});
