// SPDX-License-Identifier: Apache-2.0

import { createSocket, type Socket } from "node:dgram";

/**
 * Runs in a network namespace, see bfd.ts: RFC 5880 in asynchronous mode without authentication, with the ports of RFC 5881 and without its check of
 * the TTL. Ends when its standard input does.
 */
const PORT = 3784;
const EVERY_MS = 300;
const MULTIPLIER = 5;
const LENGTH = 24;
const STATES = ["admin-down", "down", "init", "up"] as const;
type State = (typeof STATES)[number];

interface Session {
  state: State;
  readonly own: number;
  remote: number;
  /** When the last packet arrived, by `performance.now()`. */
  heard: number;
}

const sessions = new Map<string, Session>();

function become(address: string, session: Session, state: State): void {
  if (session.state === state) return;
  session.state = state;
  process.stdout.write(`${address} ${state}\n`);
}

function take(address: string, packet: Buffer): void {
  if (packet.length < LENGTH || packet.readUInt8(0) >> 5 !== 1) return;
  const session = sessions.get(address) ?? { state: "down", own: sessions.size + 1, remote: 0, heard: 0 };
  sessions.set(address, session);
  session.heard = performance.now();
  session.remote = packet.readUInt32BE(4);
  const theirs = STATES[packet.readUInt8(1) >> 6] ?? "down";
  // RFC 5880, 6.8.6.
  if (theirs === "admin-down") become(address, session, "down");
  else if (session.state === "down") {
    if (theirs === "down") become(address, session, "init");
    else if (theirs === "init") become(address, session, "up");
  } else if (session.state === "init") {
    if (theirs !== "down") become(address, session, "up");
  } else if (theirs === "down") become(address, session, "down");
}

function packetOf({ state, own, remote }: Session): Buffer {
  const packet = Buffer.alloc(LENGTH);
  packet.writeUInt8(1 << 5, 0);
  packet.writeUInt8(STATES.indexOf(state) << 6, 1);
  packet.writeUInt8(MULTIPLIER, 2);
  packet.writeUInt8(LENGTH, 3);
  packet.writeUInt32BE(own, 4);
  packet.writeUInt32BE(remote, 8);
  packet.writeUInt32BE(EVERY_MS * 1000, 12);
  packet.writeUInt32BE(EVERY_MS * 1000, 16);
  return packet;
}

function open(type: "udp4" | "udp6", port: number): Promise<Socket> {
  const socket = createSocket({ type, ipv6Only: type === "udp6" });
  socket.on("error", () => {});
  socket.on("message", (packet, { address }) => take(address, packet));
  return new Promise((resolve) => socket.bind(port, () => resolve(socket)));
}

const listeners = [await open("udp4", PORT), await open("udp6", PORT)];
const senders = { v4: await open("udp4", 49_152), v6: await open("udp6", 49_152) };
for (const sender of Object.values(senders)) sender.setTTL(255);
const timer = setInterval(() => {
  for (const [address, session] of sessions) {
    if (performance.now() - session.heard > MULTIPLIER * EVERY_MS) {
      session.remote = 0;
      become(address, session, "down");
    }
    senders[address.includes(":") ? "v6" : "v4"].send(packetOf(session), PORT, address, () => {});
  }
}, EVERY_MS);
process.stdout.write("ready\n");
process.stdin
  .on("end", () => {
    clearInterval(timer);
    for (const socket of [...listeners, ...Object.values(senders)]) socket.close();
  })
  .resume();
