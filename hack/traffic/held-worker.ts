// SPDX-License-Identifier: Apache-2.0

/**
 * `<address>`: asks the server outside again and again in one connection, half a second after each answer, until standard input is
 * closed. Prints the port of the connection, which no other one has, and each answer; an error ends it.
 */
import { connect } from "node:net";
import { text } from "node:stream/consumers";

const REQUEST = "GET / HTTP/1.1\r\nHost: outside\r\n\r\n";
const [host = ""] = process.argv.slice(2);

const socket = connect({ host, port: 80, noDelay: true }, () => {
  process.stdout.write("ready\n");
  socket.write(REQUEST);
});
let received = "";
socket.on("data", (chunk) => {
  received += chunk;
  const answer = /\r\n\r\n(\S+)\n/.exec(received)?.[1];
  if (answer === undefined) return;
  received = "";
  process.stdout.write(`${socket.localPort} ${answer}\n`);
  setTimeout(() => socket.write(REQUEST), 500);
});
socket.on("close", () => process.exit());
socket.on("error", (error) => process.stdout.write(`${error.message}\n`));

await text(process.stdin);
socket.destroy();
