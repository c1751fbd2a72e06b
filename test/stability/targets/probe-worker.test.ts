// SPDX-License-Identifier: Apache-2.0

import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { join } from "node:path";
import t from "tap";
import { podProber } from "./pod-prober.ts";

t.test("requests share one connection, including those that wait for it, and only its end is a failure", async (t) => {
  const connections = new Set<Socket>();
  const server = createServer((_, response) => void setTimeout(() => response.end("server"), 20));
  server.on("connection", (socket) => connections.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const prober = await podProber(async () => [process.execPath, join(import.meta.dirname, "probe-worker.ts")]);
  t.teardown(async () => {
    await prober.stop();
    server.close();
  });
  const ask = () => prober.send({ kind: "stream", address: "127.0.0.1", port, timeoutMs: 10_000 });
  t.match(await ask(), { ok: true });
  t.match(await Promise.all([ask(), ask(), ask()]), [{ ok: true }, { ok: true }, { ok: true }]);
  t.equal(connections.size, 1);
  for (const socket of connections) {
    socket.destroy();
    await once(socket, "close");
  }
  const after = [await ask(), await ask(), await ask()];
  t.equal(after.filter(({ ok }) => !ok).length, 1, JSON.stringify(after));
});
