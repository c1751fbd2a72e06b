// SPDX-License-Identifier: Apache-2.0

import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { ExchangeError, parseAnswer, post } from "./post-to-daemon.ts";

const PLAIN = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"a":"é"}'.replace(
  "9",
  "10",
);
const CHUNKED = 'HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n3\r\n:1}\r\n0\r\n\r\n';
const NO_CONTENT = "HTTP/1.1 204 No Content\r\nDate: today\r\n\r\n";
const UNTIL_CLOSE = "HTTP/1.0 200 OK\r\n\r\nall of it";

t.test("an answer split at any byte is read the same", async (t) => {
  for (const [text, want] of [
    [PLAIN, { status: 200, body: '{"a":"é"}' }],
    [CHUNKED, { status: 500, body: '{"a":1}' }],
    [NO_CONTENT, { status: 204, body: "" }],
  ] as const) {
    const whole = Buffer.from(text);
    t.same(parseAnswer(whole, false), want);
    const needed = [...whole.keys()].findLast((at) => parseAnswer(whole.subarray(0, at), false) === undefined) ?? -1;
    t.ok(needed >= whole.length - 5, "an incomplete answer is not accepted");
  }
});

t.test("an answer without a length ends with the connection", async (t) => {
  t.equal(parseAnswer(Buffer.from(UNTIL_CLOSE), false), undefined);
  t.same(parseAnswer(Buffer.from(UNTIL_CLOSE), true), { status: 200, body: "all of it" });
});

t.test("a connection closed early or bytes that are not HTTP are an error", async (t) => {
  for (const cut of [0, 5, 60, PLAIN.length - 1]) {
    t.throws(() => parseAnswer(Buffer.from(PLAIN.slice(0, cut)), true), { code: "broken" });
  }
  t.throws(() => parseAnswer(Buffer.from("SSH-2.0-OpenSSH\r\n\r\n"), false), { code: "broken" });
  t.throws(() => parseAnswer(Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n"), false), { code: "broken" });
});

async function serve(t: Test, onConnection: (socket: Socket) => void): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "weft-cni-"));
  const path = join(folder, "s.sock");
  const server: Server = createServer(onConnection);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  return path;
}

t.test("the request is one POST with its length, and the answer comes back", async (t) => {
  let seen = "";
  const path = await serve(t, (socket) => {
    socket.on("data", (bytes) => {
      seen += bytes.toString();
      if (seen.endsWith('{"b":"ü"}')) socket.end(PLAIN);
    });
  });
  t.same(await post(path, "/api/v1/add", '{"b":"ü"}', 5000), { status: 200, body: '{"a":"é"}' });
  t.match(seen, /^POST \/api\/v1\/add HTTP\/1\.1\r\n/);
  t.match(seen, /Content-Length: 10\r\n/);
});

t.test("a daemon that does not run, hangs or closes the connection gives different errors", async (t) => {
  await t.rejects(post("/nowhere/at/all.sock", "/", "", 5000), { code: "refused" });
  const silent = await serve(t, (socket) => socket.resume());
  await t.rejects(post(silent, "/", "", 30), { code: "deadline" });
  const closing = await serve(t, (socket) => socket.end());
  await t.rejects(post(closing, "/", "", 5000), ExchangeError);
});

t.test("an endless answer is cut off", async (t) => {
  const path = await serve(t, (socket) => {
    socket.on("error", () => {});
    socket.write("HTTP/1.1 200 OK\r\n\r\n");
    const more = (): void => {
      if (!socket.destroyed) socket.write(Buffer.alloc(65536, 97), more);
    };
    more();
  });
  await t.rejects(post(path, "/", "", 5000), { code: "broken", message: /longer than/ });
});
