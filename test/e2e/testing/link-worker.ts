// SPDX-License-Identifier: Apache-2.0

import { createSocket } from "node:dgram";
import { isIPv6 } from "node:net";
import { bind, openSocket, receive, sendTo, setOption, watchReadable } from "../../../src/netlink/libc.ts";

/** Runs in a pod's network namespace, see link.ts. Ends when its standard input does. */
const [what = "", ...args] = process.argv.slice(2);
const ended = new Promise<void>((resolve) => process.stdin.on("end", resolve).resume());
const [AF_INET6, AF_PACKET, SOCK_DGRAM, SOCK_RAW, IPPROTO_ICMPV6] = [10, 17, 2, 3, 58];

if (what === "capture") await capture(args[0] ?? "", args[1] ?? "");
else if (what === "join") await join(args[0] ?? "", args[1] ?? "", Number(args[2]));
else if (what === "cast") await cast(args[0] ?? "", args[1] ?? "", Number(args[2]), Number(args[3]), Number(args[4]));
else if (what === "solicit") await solicit(Number(args[0]));
else if (what === "frames") await frames(Number(args[0]), args[1] ?? "", Number(args[2]));
else if (what === "dhcpv6") await dhcpv6(args[0] ?? "", args[1] ?? "");

/** Prints a line for each packet to this destination (`::` for any) that arrives at an interface: hexadecimal digits of everything after the Ethernet header. */
async function capture(index: string, destination: string): Promise<void> {
  const six = isIPv6(destination);
  const type = six ? 0x86dd : 0x0800;
  const swapped = ((type & 0xff) << 8) | (type >> 8);
  const fd = openSocket(AF_PACKET, SOCK_DGRAM, swapped);
  // struct sockaddr_ll (packet(7)).
  const address = Buffer.alloc(20);
  address.writeUInt16LE(AF_PACKET, 0);
  address.writeUInt16BE(type, 2);
  address.writeInt32LE(Number(index), 4);
  bind(fd, address);
  const wanted = bytesOf(destination);
  let count = 0;
  const into = Buffer.alloc(2048);
  const read = (): void => {
    for (let length = receive(fd, into); length !== "empty"; length = receive(fd, into)) {
      if (length === "overrun") continue;
      const packet = into.subarray(0, Math.min(length, into.length));
      const to = six ? packet.subarray(24, 40) : packet.subarray(16, 20);
      if ((destination === "::" || to.equals(wanted)) && count++ < 10_000)
        process.stdout.write(`${packet.toString("hex")}\n`);
    }
  };
  const readiness = watchReadable(fd, read);
  process.stdout.write("ready\n");
  await ended;
  read();
  readiness.close();
}

/** Joins a group on an interface (IPv6: its name, IPv4: its address); prints a line with the length of each datagram. */
async function join(group: string, by: string, port: number): Promise<void> {
  const socket = createSocket({ type: isIPv6(group) ? "udp6" : "udp4", reuseAddr: true });
  socket.on("message", (message) => process.stdout.write(`${message.length}\n`));
  await new Promise<void>((resolve) => socket.bind(port, resolve));
  socket.addMembership(group, isIPv6(group) ? `::%${by}` : by);
  process.stdout.write("ready\n");
  await ended;
  socket.close();
}

/** Sends datagrams to a group. */
async function cast(group: string, by: string, port: number, count: number, bytes: number): Promise<void> {
  const socket = createSocket(isIPv6(group) ? "udp6" : "udp4");
  await new Promise<void>((resolve) => socket.bind(0, resolve));
  socket.setMulticastInterface(isIPv6(group) ? `::%${by}` : by);
  socket.setMulticastTTL(8);
  process.stdout.write("ready\n");
  for (let i = 0; i < count; i++) {
    await new Promise((resolve) => socket.send(Buffer.alloc(bytes), port, group, resolve));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await ended;
  socket.close();
}

/** Sends a router solicitation (RFC 4861 §4.1) to all routers of the link. */
async function solicit(index: number): Promise<void> {
  const fd = openSocket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
  // struct sockaddr_in6 (ipv6(7)).
  const to = Buffer.alloc(28);
  to.writeUInt16LE(AF_INET6, 0);
  bytesOf("ff02::2").copy(to, 8);
  to.writeUInt32LE(index, 24);
  // The kernel's default hop limit for multicast is 1; 255 must be set.
  const [IPPROTO_IPV6, IPV6_MULTICAST_HOPS] = [41, 18];
  setOption(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 255);
  sendTo(fd, Buffer.from("8500000000000000", "hex"), to);
  process.stdout.write("ready\n");
  await ended;
}

/** Sends a frame several times, unchanged. */
async function frames(index: number, hex: string, count: number): Promise<void> {
  const fd = openSocket(AF_PACKET, SOCK_RAW, 0);
  const to = Buffer.alloc(20);
  to.writeUInt16LE(AF_PACKET, 0);
  to.writeInt32LE(index, 4);
  process.stdout.write("ready\n");
  for (let i = 0; i < count; i++) {
    sendTo(fd, Buffer.from(hex, "hex"), to);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await ended;
}

/** Solicit, Advertise, Request, Reply (RFC 8415 §18.2) with a link-layer DUID; prints the Reply in hexadecimal digits. */
async function dhcpv6(name: string, mac: string): Promise<void> {
  const socket = createSocket({ type: "udp6", reuseAddr: true });
  const transaction = Buffer.from("57e5f7", "hex");
  const duid = Buffer.from(`00030001${mac.replaceAll(":", "")}`, "hex");
  const option = (code: number, value: Buffer): Buffer => {
    const head = Buffer.alloc(4);
    head.writeUInt16BE(code, 0);
    head.writeUInt16BE(value.length, 2);
    return Buffer.concat([head, value]);
  };
  const address = option(3, Buffer.from("000000010000000000000000", "hex"));
  // OVN requires the server's identifier in the request.
  const send = (type: number, server: readonly Buffer[] = []): void =>
    socket.send(
      Buffer.concat([
        Buffer.from([type]),
        transaction,
        option(1, duid),
        ...server,
        address,
        option(6, Buffer.from("00170018", "hex")),
      ]),
      547,
      `ff02::1:2%${name}`,
    );
  let answer = "";
  const answered = Promise.withResolvers<void>();
  socket.on("message", (message) => {
    if (message[0] === 2) send(3, [option(2, optionOf(message, 2))]);
    else if (message[0] === 7) {
      answer = message.toString("hex");
      answered.resolve();
    }
  });
  await new Promise<void>((resolve) => socket.bind(546, "::", resolve));
  process.stdout.write("ready\n");
  send(1);
  // A second apart (SOL_TIMEOUT), for at most half a minute.
  const timer = setInterval(() => send(1), 1_000);
  const late = setTimeout(answered.resolve, 30_000);
  await answered.promise;
  clearInterval(timer);
  clearTimeout(late);
  await ended;
  socket.close();
  process.stdout.write(answer);
}

function optionOf(message: Buffer, code: number): Buffer {
  for (let at = 4; at + 4 <= message.length; ) {
    const length = message.readUInt16BE(at + 2);
    if (message.readUInt16BE(at) === code) return message.subarray(at + 4, at + 4 + length);
    at += 4 + length;
  }
  return Buffer.alloc(0);
}

function bytesOf(address: string): Buffer {
  if (!isIPv6(address)) return Buffer.from(address.split(".").map(Number));
  const [head = "", tail] = address.split("::");
  const words = (text: string): number[] =>
    text === "" ? [] : text.split(":").map((word) => Number.parseInt(word, 16));
  const [first, last] = [words(head), words(tail ?? "")];
  const all = [...first, ...Array.from({ length: 8 - first.length - last.length }, () => 0), ...last];
  return Buffer.from(all.flatMap((word) => [word >> 8, word & 0xff]));
}
