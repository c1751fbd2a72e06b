// SPDX-License-Identifier: Apache-2.0

import { writeFileSync } from "node:fs";
import { isIPv6 } from "node:net";
import { createInterface } from "node:readline";
import { parseIp } from "../../../src/net/address.ts";
import { AF_PACKET, bind, openSocket, receive, SOCK_RAW, sendTo, watchReadable } from "../../../src/netlink/libc.ts";

/** Runs in a pod's network namespace, see guest.ts. Ends when its standard input does. */
const [what = "", ...args] = process.argv.slice(2);
const now = (): number => performance.timeOrigin + performance.now();
const [AF_INET, AF_INET6, IPPROTO_ICMP, IPPROTO_ICMPV6] = [2, 10, 1, 58];

if (what === "ping") await ping(args[0] ?? "", Number(args[1]));
else await guest(Number(args[0]), args[1] ?? "");

/** Sends echo requests (RFC 792, RFC 4443) at a rate; at the end prints when each was sent and when which answers arrived. */
async function ping(address: string, everyMs: number): Promise<void> {
  const six = isIPv6(address);
  const fd = six ? openSocket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6) : openSocket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
  const to = six
    ? socketAddress6(address)
    : Buffer.from([AF_INET, 0, 0, 0, ...address.split(".").map(Number), ...Array(8).fill(0)]);
  const shots: { sent: number; echoes: number[] }[] = [];
  const id = process.pid & 0xffff;
  const into = Buffer.alloc(2048);
  const read = (): void => {
    for (let length = receive(fd, into); length !== "empty"; length = receive(fd, into)) {
      if (length === "overrun") continue;
      // The IPv4 header is included (raw(7)).
      const message = into.subarray(six ? 0 : ((into[0] ?? 0) & 15) * 4, length);
      if (message[0] !== (six ? 129 : 0) || message.length < 12 || message.readUInt16BE(4) !== id) continue;
      shots[message.readUInt32BE(8)]?.echoes.push(now());
    }
  };
  const readiness = watchReadable(fd, read);
  const timer = setInterval(() => {
    const message = Buffer.from([six ? 128 : 8, 0, 0, 0, id >> 8, id & 255, 0, 0, 0, 0, 0, 0]);
    message.writeUInt16BE(shots.length & 0xffff, 6);
    message.writeUInt32BE(shots.length, 8);
    // The kernel computes that of ICMPv6.
    if (!six) message.writeUInt16BE(checksum(message), 2);
    shots.push({ sent: now(), echoes: [] });
    try {
      sendTo(fd, message, to);
    } catch {
      // It is counted as lost.
    }
  }, everyMs);
  process.stdout.write("ready\n");
  await new Promise<void>((resolve) => process.stdin.on("end", resolve).resume());
  clearInterval(timer);
  // The last ones may still arrive.
  await new Promise((resolve) => setTimeout(resolve, 200));
  readiness.close();
  process.stdout.write(JSON.stringify(shots));
}

/** Acts as a virtual machine that is paused, continues, or continues in another pod. Prints the time of each. */
async function guest(index: number, mac: string): Promise<void> {
  const fd = openSocket(AF_PACKET, SOCK_RAW, 0);
  // struct sockaddr_ll (packet(7)).
  const address = Buffer.alloc(20);
  address.writeUInt16LE(AF_PACKET, 0);
  address.writeInt32LE(index, 4);
  bind(fd, address);
  const bytes = mac.replaceAll(":", "");
  // As QEMU makes it (net/announce.c): reverse ARP, its own MAC as that of the sender and of the target.
  const rarp = Buffer.from(
    `ffffffffffff${bytes}80350001080006040003${bytes}00000000${bytes}00000000`.padEnd(120, "0"),
    "hex",
  );
  const mute = (value: "0" | "1"): void => {
    writeFileSync("/proc/sys/net/ipv4/icmp_echo_ignore_all", value);
    writeFileSync("/proc/sys/net/ipv6/icmp/echo_ignore_all", value);
  };
  process.stdout.write("ready\n");
  for await (const command of createInterface({ input: process.stdin })) {
    const at = now();
    if (command === "pause") mute("1");
    else if (command === "resume") mute("0");
    else {
      mute("0");
      sendTo(fd, rarp, address);
      // QEMU repeats it: migration parameters announce-initial 50 ms, announce-step 100 ms, announce-rounds 5.
      for (const after of [50, 200, 450, 800]) setTimeout(() => sendTo(fd, rarp, address), after).unref();
    }
    process.stdout.write(`${at}\n`);
  }
}

function socketAddress6(address: string): Buffer {
  // struct sockaddr_in6 (ipv6(7)).
  const to = Buffer.alloc(28);
  to.writeUInt16LE(AF_INET6, 0);
  const ip = parseIp(address);
  if (ip?.family !== 6) throw new Error(`${address} is not an IPv6 address`);
  to.write(ip.value.toString(16).padStart(32, "0"), 8, "hex");
  return to;
}

/** RFC 1071. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
