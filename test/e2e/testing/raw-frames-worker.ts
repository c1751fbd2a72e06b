// SPDX-License-Identifier: Apache-2.0

import { isIPv6 } from "node:net";
import type { Shot } from "../../../hack/traffic/stream.ts";
import { parseIp } from "../../../src/net/address.ts";
import {
  AF_INET_SOCKET,
  AF_PACKET,
  bind,
  openSocket,
  receive,
  SOCK_RAW,
  sendTo,
  watchReadable,
} from "../../../src/netlink/libc.ts";
import { ipBytes } from "../../../src/netlink/values.ts";

/** Runs in a network namespace, see raw-frames.ts. Ends when its standard input does. */
const [what = "", index = "", ...frames] = process.argv.slice(2);
const ended = new Promise<void>((resolve) => process.stdin.on("end", resolve).resume());
/** linux/if_ether.h; struct sockaddr_ll has it in network order (packet(7)). */
const ETH_P_ALL = 0x0003;
const LIMIT = 20_000;

if (what === "send") await send();
else if (what === "capture") await capture();
else if (what === "ping") await ping(index, Number(frames[0]));

function link(protocol: number): Buffer {
  const address = Buffer.alloc(20);
  address.writeUInt16LE(AF_PACKET, 0);
  address.writeUInt16BE(protocol, 2);
  address.writeInt32LE(Number(index), 4);
  return address;
}

async function send(): Promise<void> {
  // Protocol 0: it receives nothing.
  const fd = openSocket(AF_PACKET, SOCK_RAW, 0);
  for (const frame of frames) sendTo(fd, Buffer.from(frame, "hex"), link(0));
  process.stdout.write("sent\n");
  await ended;
}

async function capture(): Promise<void> {
  const fd = openSocket(AF_PACKET, SOCK_RAW, 0);
  // Once bound with its protocol it receives, from this interface only.
  bind(fd, link(ETH_P_ALL));
  const into = Buffer.alloc(65_536);
  let count = 0;
  const read = (): void => {
    for (let length = receive(fd, into); length !== "empty"; length = receive(fd, into)) {
      if (length === "overrun" || count++ >= LIMIT) continue;
      process.stdout.write(`${into.subarray(0, length).toString("hex")}\n`);
    }
  };
  const readiness = watchReadable(fd, read);
  process.stdout.write("ready\n");
  await ended;
  read();
  readiness.close();
}

/** ICMP echo requests to an address, one per interval in milliseconds; at its end it prints the result of each as a line of JSON. */
async function ping(address: string, everyMs: number): Promise<void> {
  const [AF_INET6, IPPROTO_ICMP, IPPROTO_ICMPV6] = [10, 1, 58];
  const six = isIPv6(address);
  const fd = six ? openSocket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6) : openSocket(AF_INET_SOCKET, SOCK_RAW, IPPROTO_ICMP);
  const to = Buffer.alloc(six ? 28 : 16);
  to.writeUInt16LE(six ? AF_INET6 : AF_INET_SOCKET, 0);
  ipBytes(parseIp(address) ?? { family: 4, value: 0n }).copy(to, six ? 8 : 4);
  const [request, reply] = six ? [128, 129] : [8, 0];
  const id = process.pid & 0xffff;
  const now = (): number => performance.timeOrigin + performance.now();
  const shots: { sent: number; echoed?: number }[] = [];
  const into = Buffer.alloc(2048);
  const read = (): void => {
    for (let length = receive(fd, into); length !== "empty"; length = receive(fd, into)) {
      if (length === "overrun") continue;
      // A raw IPv4 socket returns the IP header too.
      const message = into.subarray(six ? 0 : (into.readUInt8(0) & 15) * 4, length);
      if (message.length < 12 || message[0] !== reply || message.readUInt16BE(4) !== id) continue;
      const shot = shots[message.readUInt32BE(8)];
      if (shot !== undefined) shot.echoed ??= now();
    }
  };
  const readiness = watchReadable(fd, read);
  const timer = setInterval(() => {
    const message = Buffer.alloc(12);
    message.writeUInt8(request, 0);
    message.writeUInt16BE(id, 4);
    message.writeUInt16BE(shots.length & 0xffff, 6);
    message.writeUInt32BE(shots.length, 8);
    let sum = 0;
    for (let i = 0; i < message.length; i += 2) sum += message.readUInt16BE(i);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    // The ICMPv6 checksum covers addresses, and the kernel computes it (RFC 3542 §3.1).
    if (!six) message.writeUInt16BE(~sum & 0xffff, 2);
    shots.push({ sent: now() });
    try {
      sendTo(fd, message, to);
    } catch {
      // Not reachable for the moment.
    }
  }, everyMs);
  process.stdout.write("ready\n");
  await ended;
  clearInterval(timer);
  await new Promise((resolve) => setTimeout(resolve, 200));
  read();
  readiness.close();
  process.stdout.write(`${JSON.stringify(shots satisfies Shot[])}\n`);
}
