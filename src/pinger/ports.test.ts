// SPDX-License-Identifier: Apache-2.0

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import t, { type Test } from "tap";
import { checkPort, respond } from "./ports.ts";

/** A port without a listener. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0);
  await once(server, "listening");
  const found = server.address();
  server.close();
  await once(server, "close");
  return typeof found === "object" && found !== null ? found.port : 0;
}

async function responders(t: Test): Promise<{ readonly tcp: number; readonly udp: number }> {
  const ports = { tcp: await freePort(), udp: await freePort() };
  const answering = await respond(ports, new Set([4, 6]), (error) => t.fail(error.message));
  t.teardown(() => answering.close());
  return ports;
}

t.test("the ports of a prober answer others in both families", async (t) => {
  const { tcp, udp } = await responders(t);
  for (const [family, address] of [
    [4, "127.0.0.1"],
    [6, "::1"],
  ] as const) {
    t.equal(await checkPort({ protocol: "tcp", family, address, port: tcp }), undefined);
    t.equal(await checkPort({ protocol: "udp", family, address, port: udp }), undefined);
  }
});

t.test("a port that answered while this process was not scheduled does answer", async (t) => {
  const { tcp } = await responders(t);
  const checked = checkPort({ protocol: "tcp", family: 4, address: "127.0.0.1", port: tcp });
  // The kernel completes the connection meanwhile.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_100);
  t.equal(await checked, undefined);
});

t.test("a port that is closed or silent does not answer", async (t) => {
  const port = await freePort();
  const at = { family: 4, address: "127.0.0.1" } as const;
  t.match(await checkPort({ protocol: "tcp", ...at, port }), /ECONNREFUSED/);
  t.match(await checkPort({ protocol: "udp", ...at, port }), /ECONNREFUSED/);
  const silent = createSocket("udp4");
  t.teardown(() => silent.close());
  silent.bind(0, "127.0.0.1");
  await once(silent, "listening");
  t.equal(await checkPort({ protocol: "udp", ...at, port: silent.address().port }), "no answer within 2 s");
});

t.test("a responder does not answer an answer, so that two of them do not answer each other for ever", async (t) => {
  const { udp } = await responders(t);
  const client = createSocket("udp4");
  t.teardown(() => client.close());
  const answers: string[] = [];
  client.on("message", (message) => answers.push(message.toString()));
  client.bind(0, "127.0.0.1");
  await once(client, "listening");
  client.send("weft-pinger?", udp, "127.0.0.1");
  await once(client, "message");
  for (const text of [...answers, "", "x".repeat(1_000)]) client.send(text, udp, "127.0.0.1");
  // A later question is answered after the datagrams before it.
  client.send("weft-pinger?", udp, "127.0.0.1");
  await once(client, "message");
  t.same(answers, ["weft-pinger!", "weft-pinger!"]);
});

t.test("a port that is taken is an error at the start; 0 is not opened", async (t) => {
  const { tcp } = await responders(t);
  await t.rejects(
    respond({ tcp, udp: 0 }, new Set([4]), () => undefined),
    { code: "EADDRINUSE" },
  );
  (await respond({ tcp: 0, udp: 0 }, new Set([4]), () => undefined)).close();
});
