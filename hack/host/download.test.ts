// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "tap";
import { download, fetchText } from "./download.ts";

await test("a download", async (t) => {
  const content = Buffer.alloc(300_000, "weft");
  const sum = createHash("sha256").update(content).digest("hex");
  const server = createServer((request, response) => {
    if (request.url === "/missing") response.statusCode = 404;
    response.end(content);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const folder = await mkdtemp(join(tmpdir(), "weft-download-"));
  t.teardown(async () => {
    server.close();
    server.closeAllConnections();
    await rm(folder, { recursive: true });
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const path = join(folder, "file");
  const steps: string[] = [];

  await download(url, path, sum, (text) => steps.push(text));
  t.ok(content.equals(await readFile(path)), "is written whole");
  t.equal(steps.at(-1), "100 %", "says how far it is");
  await t.rejects(
    download(url, path, "0".repeat(64), () => undefined),
    { code: "download" },
    "is refused where its sum differs",
  );
  await t.rejects(fetchText(`${url}/missing`), { code: "download", message: /HTTP 404/ }, "says what the server said");
  server.close();
  server.closeAllConnections();
  await t.rejects(
    fetchText(url),
    { code: "download", message: /ECONNREFUSED|fetch failed|other side closed/ },
    "says why there is none",
  );
});
