// SPDX-License-Identifier: Apache-2.0

import { execFile } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import t, { type Test } from "tap";
import { CniError } from "./cni-error.ts";
import { type CniServer, serveCni, type VerbHandlers } from "./server.ts";

const idle = async (): Promise<undefined> => undefined;
const IDLE: VerbHandlers = { add: idle, del: idle, check: idle, gc: idle, status: idle };

function folder(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), "weft-daemon-"));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

async function serve(t: Test, handlers: Partial<VerbHandlers>, limits = { maxBodyBytes: 1000, maxRequests: 3 }) {
  const path = join(folder(t), "run", "cni.sock");
  const server: CniServer = await serveCni(path, { ...IDLE, ...handlers }, limits);
  t.teardown(() => server.close());
  return { path, server };
}

function call(
  socketPath: string,
  path: string,
  body: string,
  method = "POST",
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath, path, method, agent: false }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body: text }));
    });
    asking.on("error", reject);
    asking.end(body);
  });
}

t.test("only root may use the socket", async (t) => {
  const { path } = await serve(t, {});
  t.equal(statSync(path).mode & 0o777, 0o600);
});

t.test(
  "another user is refused, although the folders are accessible",
  {
    skip: process.getuid?.() === 0 ? false : "needs root: it changes the user",
  },
  async (t) => {
    const { path } = await serve(t, {});
    for (const parent of [dirname(path), dirname(dirname(path))]) chmodSync(parent, 0o755);
    const source = `require("node:net").connect(${JSON.stringify(path)}).on("connect", () => process.exit(console.log("connected"))).on("error", (error) => console.log(error.code))`;
    const as = (uid: number): Promise<string> =>
      promisify(execFile)(process.execPath, ["-e", source], { uid, gid: uid, cwd: "/" }).then(({ stdout }) =>
        stdout.trim(),
      );
    t.equal(await as(65_534), "EACCES");
    t.equal(await as(0), "connected");
  },
);

t.test("a verb's result is a 200, no result a 204, an error its status with the code", async (t) => {
  const { path } = await serve(t, {
    add: async (body) => ({ got: body }),
    check: () => Promise.reject(new CniError(3, "no such pod", { details: "look" })),
    gc: () => {
      throw new Error("a fault");
    },
  });
  t.same(await call(path, "/api/v1/add", '{"a":1}'), { status: 200, body: '{"got":{"a":1}}' });
  t.same(await call(path, "/api/v1/del", "{}"), { status: 204, body: "" });
  t.same(await call(path, "/api/v1/status", ""), { status: 204, body: "" });
  t.match(await call(path, "/api/v1/check", "{}"), {
    status: 404,
    body: '{"error":"no such pod","code":3,"details":"look"}',
  });
  t.match(await call(path, "/api/v1/gc", "{}"), { status: 500, body: /a fault/ });
});

t.test("an invalid request is refused", async (t) => {
  const { path } = await serve(t, {});
  t.match(await call(path, "/api/v1/add", "{"), { status: 400, body: /not JSON/ });
  t.match(await call(path, "/api/v2/add", "{}"), { status: 400, body: /unknown request/ });
  t.match(await call(path, "/api/v1/add", "", "GET"), { status: 400, body: /unknown request/ });
  t.match(await call(path, "/api/v1/add", `"${"x".repeat(2000)}"`), { status: 400, body: /longer than 1000/ });
});

t.test("requests beyond the limit are refused at once", async (t) => {
  const open = Promise.withResolvers<undefined>();
  const { path, server } = await serve(t, { add: () => open.promise });
  const waiting = [1, 2, 3].map(() => call(path, "/api/v1/add", "{}"));
  while (server.active < 3) await new Promise(setImmediate);
  t.match(await call(path, "/api/v1/add", "{}"), { status: 503, body: /overloaded/ });
  open.resolve(undefined);
  for (const answer of await Promise.all(waiting)) t.equal(answer.status, 204);
});

t.test("a handler is notified that its caller has disconnected", async (t) => {
  const gone = Promise.withResolvers<void>();
  const started = Promise.withResolvers<void>();
  const { path } = await serve(t, {
    add: async (_body, caller) => {
      caller.addEventListener("abort", () => gone.resolve());
      started.resolve();
      await gone.promise;
      return undefined;
    },
  });
  const asking = request({ socketPath: path, path: "/api/v1/add", method: "POST", agent: false });
  asking.on("error", () => undefined);
  asking.end("{}");
  await started.promise;
  asking.destroy();
  await gone.promise;
  t.pass();
});

t.test("draining waits for running requests and accepts no new ones", async (t) => {
  const open = Promise.withResolvers<undefined>();
  const { path, server } = await serve(t, { add: () => open.promise });
  const running = call(path, "/api/v1/add", "{}");
  while (server.active === 0) await new Promise(setImmediate);
  const drained = server.drain();
  await t.rejects(call(path, "/api/v1/del", "{}"));
  open.resolve(undefined);
  await drained;
  t.equal((await running).status, 204);
});

t.test("a request that fails because the daemon shuts down may be sent to the next one", async (t) => {
  const open = Promise.withResolvers<undefined>();
  const { path, server } = await serve(t, { add: () => open.promise });
  const running = call(path, "/api/v1/add", "{}");
  while (server.active === 0) await new Promise(setImmediate);
  const drained = server.drain();
  open.reject(new CniError(11, "weft-daemon is shutting down"));
  await drained;
  const { status, body } = await running;
  t.same([status, JSON.parse(body)], [503, { error: "weft-daemon is shutting down", code: 11, restarting: true }]);
});

t.test("a socket that a killed daemon left is replaced, a live one is not", async (t) => {
  const { path, server } = await serve(t, {});
  await t.rejects(serveCni(path, IDLE), /another daemon/);
  server.close();
  const again = await serveCni(path, IDLE);
  t.equal((await call(path, "/api/v1/del", "{}")).status, 204);
  again.close();
});
