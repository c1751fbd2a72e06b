// SPDX-License-Identifier: Apache-2.0

import { createServer, type IncomingMessage } from "node:http";
import t, { type Test } from "tap";
import { LocalPage } from "./local-page.ts";

/** A page that knows one token, and remembers what it is asked. */
async function pageWith(t: Test): Promise<{ port: number; asked: IncomingMessage[] }> {
  const asked: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    asked.push(request);
    if (request.url !== "/api/v1/login") {
      response
        .writeHead(200, { "set-cookie": "a=b", "content-type": "text/plain" })
        .end(`${request.method} ${request.url}`);
      return;
    }
    let body = "";
    request.on("data", (part: Buffer) => (body += part.toString()));
    request.on("end", () => {
      if (body === '{"token":"right"}')
        response.writeHead(200, { "set-cookie": "__Host-weft-page=sealed; Secure" }).end("{}");
      else response.writeHead(401).end(JSON.stringify({ error: { code: "unauthenticated", message: "log in again" } }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  t.teardown(() => server.close());
  const address = server.address();
  return { port: typeof address === "object" ? (address?.port ?? 0) : 0, asked };
}

t.test("who has the printed URL sees the page with its login, and the browser never has the login", async (t) => {
  const { port, asked } = await pageWith(t);
  const page = await LocalPage.login({ port, plain: true }, "right");
  t.teardown(() => page.close());
  const url = new URL(await page.listen(0));
  const first = await fetch(url, { redirect: "manual" });
  t.equal(first.status, 303);
  t.equal(first.headers.get("location"), "/");
  const cookie = first.headers.get("set-cookie") ?? "";
  t.match(cookie, /^weft-ui=[\w-]{32}; Path=\/; HttpOnly; SameSite=Strict$/);
  const own = { cookie: cookie.split(";")[0] ?? "" };
  const answer = await fetch(new URL("/api/v1/me?x=1", url), { headers: own });
  t.equal(await answer.text(), "GET /api/v1/me?x=1");
  t.equal(answer.headers.get("set-cookie"), null);
  t.equal(asked.at(-1)?.headers.cookie, "__Host-weft-page=sealed", "and not the local one");
  const posted = await fetch(new URL("/api/v1/plan", url), {
    method: "POST",
    body: "x",
    headers: { ...own, "x-weft-page": "1" },
  });
  t.equal(await posted.text(), "POST /api/v1/plan");
  t.equal(asked.at(-1)?.headers["x-weft-page"], "1");
});

t.test("who does not have it sees nothing, nor does another site whose name leads here", async (t) => {
  const { port, asked } = await pageWith(t);
  const page = await LocalPage.login({ port, plain: true }, "right");
  t.teardown(() => page.close());
  const url = new URL(await page.listen(0));
  const before = asked.length;
  t.equal((await fetch(new URL("/", url))).status, 403);
  t.equal((await fetch(new URL("/?key=wrong", url))).status, 403);
  t.equal((await fetch(new URL("/", url), { headers: { cookie: "weft-ui=wrong" } })).status, 403);
  t.equal((await fetch(`http://localhost:${url.port}/${url.search}`)).status, 403);
  t.equal(asked.length, before);
});

t.test("a token that the page does not accept, and a page that does not answer, are errors that say so", async (t) => {
  const { port } = await pageWith(t);
  await t.rejects(LocalPage.login({ port, plain: true }, "wrong"), { message: /HTTP 401.*log in again/ });
  await t.rejects(LocalPage.login({ port: 1, plain: true }, "right"), { message: /does not answer/ });
});
