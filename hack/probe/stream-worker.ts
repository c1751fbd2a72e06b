import { createSocket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { Shot } from "./stream.ts";

/** Runs in a pod's network namespace, see stream.ts. Ends when its standard input does. */
const [what = "", ...args] = process.argv.slice(2);
const now = (): number => performance.timeOrigin + performance.now();
const ended = new Promise<void>((resolve) => process.stdin.on("end", resolve).resume());

if (what === "echo") await echo(Number(args[0]));
else if (what === "stream") await stream(args[0] ?? "", Number(args[1]), Number(args[2]));
else if (what === "receive") await receive(Number(args[0]));
else if (what === "send") await send(args[0] ?? "", args[1] ?? "", Number(args[2]), Number(args[3]));
else await barrage(Number(args[0]), Number(args[1]), args.slice(2));

async function echo(port: number): Promise<void> {
  const socket = createSocket({ type: "udp6" });
  socket.on("message", (message, from) => socket.send(message, from.port, from.address));
  socket.bind(port, "::", () => process.stdout.write("ready\n"));
  await ended;
  socket.close();
}

async function stream(address: string, port: number, everyMs: number): Promise<void> {
  const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
  const shots: { sent: number; echoed?: number }[] = [];
  socket.on("message", (message) => {
    const shot = shots[message.readUInt32BE(0)];
    if (shot !== undefined) shot.echoed ??= now();
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
  await new Promise((resolve) => setTimeout(resolve, 100));
  socket.close();
  process.stdout.write(JSON.stringify(shots satisfies Shot[]));
}

async function receive(port: number): Promise<void> {
  const socket = createSocket({ type: "udp6" });
  const seen: string[] = [];
  socket.on("message", (message, { address }) => seen.push(`${address.replace("::ffff:", "")} ${message.length}`));
  socket.bind(port, "::", () => process.stdout.write("ready\n"));
  await ended;
  socket.close();
  process.stdout.write(JSON.stringify(seen));
}

async function send(source: string, address: string, port: number, bytes: number): Promise<void> {
  const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
  socket.on("error", () => {});
  await new Promise<void>((resolve) => socket.bind(0, source === "" ? undefined : source, resolve));
  await new Promise((resolve) => socket.send(Buffer.alloc(bytes, "x"), port, address, resolve));
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
