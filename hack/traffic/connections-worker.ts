// SPDX-License-Identifier: Apache-2.0

/**
 * Short connections, each of one request and one answer, after which the server closes:
 * `serve <port>` answers;
 * `connect <address> <port> <ms> <at once>` makes connections for so long and prints how long each took, in ms, and how many failed;
 * `alternate <address> <other address> <port> <times>` asks the two addresses by turns, twice from each of so many local ports, and prints the same.
 */
import { connect, createServer } from "node:net";

const [mode, ...args] = process.argv.slice(2);

if (mode === "serve") {
  createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", () => socket.end("ok"));
  }).listen({ port: Number(args[0]), host: "::", backlog: 4096 }, () => process.stdout.write("ready\n"));
} else {
  const times: number[] = [];
  let failed = 0;
  const one = (host: string, port: number, localPort?: number): Promise<void> =>
    new Promise((resolve) => {
      const started = performance.now();
      const local = localPort === undefined ? {} : { localPort };
      const socket = connect({ host, port, noDelay: true, ...local }, () => socket.write("?"));
      socket.setTimeout(3_000, () => socket.destroy(new Error("timed out")));
      socket.resume();
      socket.once("end", () => times.push(performance.now() - started));
      socket.once("error", () => failed++);
      socket.once("close", () => resolve());
    });
  if (mode === "connect") {
    const [host = "", port, ms, atOnce] = args;
    const until = performance.now() + Number(ms);
    const line = async (): Promise<void> => {
      while (performance.now() < until) await one(host, Number(port));
    };
    await Promise.all(Array.from({ length: Number(atOnce) }, line));
  } else {
    const [host = "", other = "", port, ports] = args;
    for (let local = 41_000; local < 41_000 + Number(ports); local++) {
      for (const address of [host, other, host, other]) await one(address, Number(port), local);
    }
  }
  process.stdout.write(JSON.stringify({ times, failed }));
}
