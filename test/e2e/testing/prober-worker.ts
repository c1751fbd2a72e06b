// SPDX-License-Identifier: Apache-2.0

import { createSocket } from "node:dgram";
import { connect, createServer, isIPv6 } from "node:net";
import { createInterface } from "node:readline";
import type { Attempt } from "./prober.ts";

/** Runs in a pod's network namespace, see prober.ts. Ends when its standard input does. */
for (const port of process.argv.slice(2).map(Number)) {
  createServer((socket) => socket.on("error", () => {}).end("hello")).listen(port, "::");
  const socket = createSocket({ type: "udp6" });
  socket.on("message", (message, from) => socket.send(message, from.port, from.address));
  socket.bind(port, "::");
}
process.stdout.write("ready\n");
for await (const line of createInterface({ input: process.stdin })) {
  const attempts = JSON.parse(line) as readonly Attempt[];
  const answers = await Promise.all(
    attempts.map((attempt) => (attempt.protocol === "TCP" ? tcp(attempt) : udp(attempt))),
  );
  process.stdout.write(`${JSON.stringify(answers)}\n`);
}
process.exit(0);

function tcp({ address, port, patienceMs }: Attempt): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const end = (answer: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => end(false), patienceMs);
    socket.on("connect", () => end(true)).on("error", () => end(false));
  });
}

function udp({ address, port, patienceMs }: Attempt): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
    const end = (answer: boolean): void => {
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(() => end(false), patienceMs);
    socket.on("message", () => end(true)).on("error", () => {});
    socket.send("hello", port, address);
  });
}
