// SPDX-License-Identifier: Apache-2.0

import { createSocket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { Shot } from "./stream.ts";

/** Runs in a pod's network namespace, see stream.ts. Ends when its standard input does. */
const [what = "", ...args] = process.argv.slice(2);
const now = (): number => performance.timeOrigin + performance.now();
const ended = new Promise<void>((resolve) => process.stdin.on("end", resolve).resume());

if (what === "echo") await echo(Number(args[0]));
else if (what === "stream") await stream(args[0] ?? "", Number(args[1]), Number(args[2]), Number(args[3]));
else if (what === "receive") await receive(Number(args[0]));
else if (what === "tunnel") await tunnel(args[0] ?? "", args[1] ?? "", args[2] ?? "", args.slice(3).map(Number));
else if (what === "send") await send(args[0] ?? "", args[1] ?? "", Number(args[2]), Number(args[3]));
else await barrage(Number(args[0]), Number(args[1]), args.slice(2));

async function echo(port: number): Promise<void> {
  const socket = createSocket({ type: "udp6" });
  socket.on("message", (message, from) => socket.send(message, from.port, from.address));
  socket.bind(port, "::", () => process.stdout.write("ready\n"));
  await ended;
  socket.close();
}

async function stream(address: string, port: number, everyMs: number, lastMs: number): Promise<void> {
  const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
  const shots: { sent: number; echoed?: number }[] = [];
  let complete: (() => void) | undefined;
  socket.on("message", (message) => {
    const shot = shots[message.readUInt32BE(0)];
    if (shot !== undefined) shot.echoed ??= now();
    if (shots.slice(-Math.ceil(lastMs / everyMs)).every(({ echoed }) => echoed !== undefined)) complete?.();
  });
  // A refusal (ICMP) is an answer of the network, and no echo.
  socket.on("error", () => {});
  const timer = setInterval(() => {
    const message = Buffer.alloc(4);
    message.writeUInt32BE(shots.length);
    shots.push({ sent: now() });
    socket.send(message, port, address);
  }, everyMs);
  process.stdout.write("ready\n");
  await ended;
  clearInterval(timer);
  // The last ones are on their way.
  await new Promise<void>((resolve) => {
    complete = resolve;
    setTimeout(resolve, lastMs);
  });
  socket.close();
  process.stdout.write(JSON.stringify(shots satisfies Shot[]));
}

async function receive(port: number): Promise<void> {
  const socket = createSocket({ type: "udp6" });
  socket.on("message", (message, { address }) =>
    process.stdout.write(`${address.replace("::ffff:", "")} ${message.length}\n`),
  );
  socket.bind(port, "::", () => process.stdout.write("ready\n"));
  await ended;
  socket.close();
}

async function send(source: string, address: string, port: number, bytes: number): Promise<void> {
  const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
  socket.on("error", () => {});
  await new Promise<void>((resolve) => socket.bind(0, source === "" ? undefined : source, resolve));
  await new Promise((resolve) => socket.send(Buffer.alloc(bytes, "x"), port, address, resolve));
  process.stdout.write("ready\n");
  socket.close();
}

/** Geneve (RFC 8926) with OVN's option (ovn-architecture(7), "Tunnel Encapsulations"), as from either of two logical ports. */
async function tunnel(end: string, mac: string, address: string, numbers: readonly number[]): Promise<void> {
  const [port = 0, datapath = 0, outport = 0] = numbers;
  const frame = Buffer.concat([
    Buffer.from(`${mac.replaceAll(":", "")}0a00000000010800`, "hex"),
    // IPv4 without a checksum of UDP; its own is set below.
    Buffer.from("450000210007000040110000a9fea905", "hex"),
    Buffer.from(address.split(".").map(Number)),
    Buffer.from([0x15, 0xb3, port >> 8, port & 255, 0, 13, 0, 0]),
    Buffer.from("false"),
  ]);
  let sum = 0;
  for (let at = 14; at < 34; at += 2) sum += frame.readUInt16BE(at);
  frame.writeUInt16BE(~((sum & 0xffff) + (sum >> 16)) & 0xffff, 24);
  const socket = createSocket("udp4");
  socket.on("error", () => {});
  for (let inport = 1; inport <= 2; inport++) {
    const header = Buffer.from("02406558000000000102800100000000", "hex");
    header.writeUInt32BE(datapath << 8, 4);
    header.writeUInt32BE(((inport << 16) | outport) >>> 0, 12);
    await new Promise((resolve) => socket.send(Buffer.concat([header, frame]), 6081, end, resolve));
  }
  process.stdout.write("ready\n");
  socket.close();
}

async function barrage(port: number, perMs: number, addresses: readonly string[]): Promise<void> {
  const sockets = { v4: createSocket("udp4"), v6: createSocket("udp6") };
  for (const socket of Object.values(sockets)) socket.on("error", () => {});
  let sent = 0;
  const timer = setInterval(() => {
    for (let i = 0; i < perMs; i++) {
      const address = addresses[sent++ % addresses.length] ?? "";
      sockets[isIPv6(address) ? "v6" : "v4"].send("x", port, address, () => {});
    }
  }, 1);
  process.stdout.write("ready\n");
  await ended;
  clearInterval(timer);
  for (const socket of Object.values(sockets)) socket.close();
  process.stdout.write(`${sent}`);
}
