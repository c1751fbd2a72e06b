// SPDX-License-Identifier: Apache-2.0

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import t from "tap";
import { listen, unreachable } from "./ports.ts";

/** Unused ports. */
async function freePorts(): Promise<{ readonly udp: readonly number[]; readonly tcp: readonly number[] }> {
  const server = createServer().listen(0);
  const socket = createSocket("udp4").bind(0);
  await Promise.all([once(server, "listening"), once(socket, "listening")]);
  const address = server.address();
  const ports = {
    udp: [socket.address().port],
    tcp: [typeof address === "object" && address !== null ? address.port : 0],
  };
  server.close();
  socket.close();
  return ports;
}

t.test("a listener answers on every port, and missing answers are named with port and address", async (t) => {
  const ports = await freePorts();
  const [udp, tcp] = [`udp/${ports.udp[0]} at 127.0.0.1`, `tcp/${ports.tcp[0]} at 127.0.0.1`];
  t.strictSame(await unreachable(["127.0.0.1"], ports, 300), [udp, tcp]);
  const control = new AbortController();
  const ended = await listen(ports, control.signal);
  t.strictSame(await unreachable(["127.0.0.1"], ports, 5_000), []);
  await t.rejects(listen(ports, control.signal), { code: "EADDRINUSE" });
  control.abort();
  await ended();
  t.strictSame(await unreachable(["127.0.0.1"], ports, 300), [udp, tcp]);
});

t.test("another program on the port is not an answer", async (t) => {
  const ports = await freePorts();
  const server = createServer((socket) => socket.end("SSH-2.0")).listen(ports.tcp[0]);
  t.teardown(() => server.close());
  await once(server, "listening");
  t.match(await unreachable(["127.0.0.1"], { udp: [], tcp: ports.tcp }, 300), [/^tcp/]);
});
