// SPDX-License-Identifier: Apache-2.0

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import t from "tap";
import { measureServer } from "./measure-client.ts";
import { ASK, serveMeasurements } from "./measure-server.ts";

const OPTIONS = { ms: 60, streams: 2, size: 200, rate: 8e6 };

t.test("a path is measured by TCP and UDP in both families", async (t) => {
  const server = await serveMeasurements(0);
  t.teardown(() => server.close());
  for (const address of ["127.0.0.1", "::1"]) {
    const { tcpBitsPerSecond, tcp, udp, udpSent, udpReceived } = await measureServer({
      ...OPTIONS,
      address,
      port: server.port,
    });
    t.ok(tcpBitsPerSecond > 0, address);
    for (const { count, p50 = -1, p99 = -1 } of [tcp, udp]) t.ok(count > 0 && p50 > 0 && p99 >= p50, address);
    t.ok(udpSent > 0 && udpReceived <= udpSent, address);
  }
});

t.test("datagrams of another session are not counted, and a request that is none is closed", async (t) => {
  const server = await serveMeasurements(0);
  t.teardown(() => server.close());
  const socket = createSocket("udp4");
  t.teardown(() => socket.close());
  const echo = once(socket, "message");
  for (const session of [1, 2, 2]) socket.send(Buffer.of(ASK.count, 0, 0, 0, session), server.port, "127.0.0.1");
  socket.send(Buffer.of(ASK.count, 0), server.port, "127.0.0.1");
  // Datagrams on the loopback interface keep their order.
  socket.send(Buffer.of(ASK.echo, 9), server.port, "127.0.0.1");
  t.same((await echo)[0], Buffer.of(ASK.echo, 9));
  for (const [request, answer] of [
    [Buffer.of(ASK.count, 0, 0, 0, 2), [0, 0, 0, 2]],
    [Buffer.of(ASK.count, 0, 0, 0, 7), [0, 0, 0, 0]],
    [Buffer.of(0), []],
  ] as const) {
    const client = connect(server.port, "127.0.0.1");
    client.write(request);
    const chunks: Buffer[] = [];
    client.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", () => undefined);
    await once(client, "close");
    t.same([...Buffer.concat(chunks)], [...answer]);
  }
});

t.test("a server that does not answer is an error that names it", async (t) => {
  const server = await serveMeasurements(0);
  const { port } = server;
  server.close();
  await t.rejects(measureServer({ ...OPTIONS, address: "127.0.0.1", port }), {
    message: new RegExp(`^127.0.0.1 port ${port} does not answer: .*ECONNREFUSED`),
  });
});
