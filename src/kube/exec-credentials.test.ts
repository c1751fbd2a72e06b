// SPDX-License-Identifier: Apache-2.0

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { formatTime } from "../time/rfc3339.ts";
import { ManualClock } from "../time/testing/manual-clock.ts";
import type { Credentials } from "./credentials.ts";
import { execCredentials } from "./exec-credentials.ts";

/** A plugin that writes a line for each run and prints `status`. */
function plugin(t: Test, status: object, clock = new ManualClock()) {
  const runs = join(t.testdir({}), "runs");
  const script = 'echo run >> "$RUNS"; test -n "$KUBERNETES_EXEC_INFO" && printf %s "$ANSWER"';
  const env = { RUNS: runs, ANSWER: JSON.stringify({ kind: "ExecCredential", status }) };
  const credentials: Credentials = execCredentials("u", { command: "sh", args: ["-c", script], env }, clock);
  const count = async (): Promise<number> => (await readFile(runs, "utf8").catch(() => "")).split("\n").length - 1;
  return { clock, credentials, count };
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

t.test("what has expired is asked for again, and not before", async (t) => {
  const clock = new ManualClock();
  const expirationTimestamp = formatTime(clock.wall() + 60_000);
  const { credentials, count } = plugin(t, { token: "a", expirationTimestamp }, clock);
  await credentials.identity();
  clock.pass(59_000);
  await credentials.identity();
  t.equal(await count(), 1);
  clock.pass(1_000);
  await Promise.all([credentials.identity(), credentials.identity()]);
  t.equal(await count(), 2, "once for both");
});

t.test("a plugin that fails, or prints something else, is said, and run again by the next request", async (t) => {
  const failing = (script: string): Credentials =>
    execCredentials("u", { command: "sh", args: ["-c", script], env: {} }, new ManualClock());
  await t.rejects(failing("echo sorry >&2; exit 3").identity(), {
    code: "config",
    message: /^credential plugin of user u: sorry/,
  });
  await t.rejects(failing("echo '{}'").identity(), { code: "config", message: /no ExecCredential/ });
  await t.rejects(failing("echo '{'").identity(), { code: "config", message: /JSON/ });
  const missing = execCredentials("u", { command: "/nonexistent", args: [], env: {} }, new ManualClock());
  await t.rejects(missing.identity(), { code: "config", message: /ENOENT/ });
  const file = join(t.testdir({}), "there");
  const second = failing(`test -e ${file} || { touch ${file}; exit 1; }; echo '{"status":{"token":"b"}}'`);
  await t.rejects(second.identity(), { code: "config" });
  t.strictSame(await second.identity(), { headers: { authorization: "Bearer b" } });
});
