// SPDX-License-Identifier: Apache-2.0

/**
 * Short connections, each of one request and one answer: `serve <port>` answers, `connect <address> <port> <ms> <at once>` makes them for so long and prints how
 * long each took, in ms.
 */
import { connect, createServer } from "node:net";

const [mode, ...args] = process.argv.slice(2);

if (mode === "serve") {
  createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", () => socket.end("ok"));
  }).listen({ port: Number(args[0]), host: "::", backlog: 4096 }, () => process.stdout.write("ready\n"));
} else {
  const [host = "", port, ms, atOnce] = args;
  const until = performance.now() + Number(ms);
  const times: number[] = [];
  let failed = 0;
  const one = (): Promise<void> =>
    new Promise((resolve) => {
      const started = performance.now();
      const socket = connect({ host, port: Number(port), noDelay: true }, () => socket.write("?"));
      socket.setTimeout(3_000, () => socket.destroy(new Error("timed out")));
      socket.resume();
      socket.once("end", () => times.push(performance.now() - started));
      socket.once("error", () => failed++);
      socket.once("close", () => resolve());
    });
  const line = async (): Promise<void> => {
    while (performance.now() < until) await one();
  };
  await Promise.all(Array.from({ length: Number(atOnce) }, line));
  process.stdout.write(JSON.stringify({ times, failed }));
}
