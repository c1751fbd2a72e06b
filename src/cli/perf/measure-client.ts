// SPDX-License-Identifier: Apache-2.0

import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { ASK, COUNTED_HEADER } from "./measure-server.ts";

/** How to measure. */
export interface MeasureOptions {
  readonly address: string;
  readonly port: number;
  /** Of each measurement. */
  readonly ms: number;
  /** TCP connections of the throughput measurement. */
  readonly streams: number;
  /** Bytes of a message of the latency measurements, and of a datagram. */
  readonly size: number;
  /** Bits per second of the UDP measurement. */
  readonly rate: number;
}

/** A distribution of round-trip times, in ms. */
export interface RoundTrips {
  readonly count: number;
  /** Absent if no message came back. */
  readonly p50?: number;
  readonly p99?: number;
}

/** What was measured on one path. */
export interface Measurement {
  readonly tcpBitsPerSecond: number;
  readonly tcp: RoundTrips;
  readonly udp: RoundTrips;
  /** Datagrams at the chosen rate. */
  readonly udpSent: number;
  readonly udpReceived: number;
}

/** Until a connection is established or a message comes back, in ms. */
const DEADLINE_MS = 5_000;
/** A datagram without an answer is lost after this time, in ms. */
const LOST_MS = 1_000;
/** Written at once to a stream. */
const CHUNK = Buffer.alloc(128 << 10);

/** Measures one path. Rejects with the error of a connection that cannot be established, or that breaks. */
export async function measureServer(options: MeasureOptions): Promise<Measurement> {
  const tcpBitsPerSecond = await tcpThroughput(options);
  const tcp = await tcpRoundTrips(options);
  const udp = await udpRoundTrips(options);
  const { sent, received } = await udpLoss(options);
  return { tcpBitsPerSecond, tcp, udp, udpSent: sent, udpReceived: received };
}

async function open({ address, port }: MeasureOptions): Promise<Socket> {
  const socket = connect({ host: address, port, noDelay: true });
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(DEADLINE_MS) });
    return socket;
  } catch (error) {
    socket.destroy();
    throw new Error(`${address} port ${port} does not answer: ${text(error)}`, { cause: error });
  }
}

/** Bits per second that several streams have sent, until the server has taken all. */
async function tcpThroughput(options: MeasureOptions): Promise<number> {
  const sockets = await Promise.all(Array.from({ length: options.streams }, () => open(options)));
  const started = performance.now();
  const bytes = await Promise.all(
    sockets.map(async (socket) => {
      let sent = 0;
      socket.write(Buffer.of(ASK.discard));
      while (performance.now() - started < options.ms) {
        sent += CHUNK.length;
        if (!socket.write(CHUNK))
          await once(socket, "drain", { signal: AbortSignal.timeout(options.ms + DEADLINE_MS) });
      }
      const ended = once(socket.resume(), "end", { signal: AbortSignal.timeout(2 * DEADLINE_MS) });
      socket.end();
      await ended;
      return sent;
    }),
  );
  const seconds = (performance.now() - started) / 1_000;
  return (bytes.reduce((sum, one) => sum + one, 0) * 8) / seconds;
}

async function tcpRoundTrips(options: MeasureOptions): Promise<RoundTrips> {
  const socket = await open(options);
  try {
    socket.write(Buffer.of(ASK.echo));
    const message = Buffer.alloc(options.size);
    const received = socket[Symbol.asyncIterator]();
    socket.setTimeout(DEADLINE_MS, () => socket.destroy(new Error(`no answer within ${DEADLINE_MS / 1_000} s`)));
    return await roundTrips(options.ms, async () => {
      socket.write(message);
      for (let left = options.size; left > 0; ) {
        const { value, done } = await received.next();
        if (done === true || !Buffer.isBuffer(value)) throw new Error("the connection was closed");
        left -= value.length;
      }
      return true;
    });
  } finally {
    socket.destroy();
  }
}

async function udpRoundTrips({ address, port, size, ms }: MeasureOptions): Promise<RoundTrips> {
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  try {
    socket.connect(port, address);
    await once(socket, "connect", { signal: AbortSignal.timeout(DEADLINE_MS) });
    socket.on("error", () => undefined);
    const message = Buffer.alloc(Math.max(size, COUNTED_HEADER), ASK.echo);
    let serial = 0;
    return await roundTrips(ms, async () => {
      serial = (serial + 1) >>> 0;
      message.writeUInt32BE(serial, 1);
      const own = serial;
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const onMessage = (reply: Buffer): void => {
        if (reply.length >= COUNTED_HEADER && reply.readUInt32BE(1) === own) resolve(true);
      };
      const timer = setTimeout(() => resolve(false), LOST_MS);
      socket.on("message", onMessage);
      socket.send(message);
      const answered = await promise;
      clearTimeout(timer);
      socket.off("message", onMessage);
      return answered;
    });
  } finally {
    socket.close();
  }
}

/** Sends datagrams at a rate, and asks the server how many of them arrived. */
async function udpLoss(options: MeasureOptions): Promise<{ readonly sent: number; readonly received: number }> {
  const { address, port, ms, rate } = options;
  const size = Math.max(options.size, COUNTED_HEADER);
  const session = randomBytes(4);
  const message = Buffer.concat([Buffer.of(ASK.count), session, Buffer.alloc(size - COUNTED_HEADER)]);
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  let sent = 0;
  try {
    socket.connect(port, address);
    await once(socket, "connect", { signal: AbortSignal.timeout(DEADLINE_MS) });
    socket.on("error", () => undefined);
    const started = performance.now();
    for (let now = started; now - started < ms; now = performance.now()) {
      const due = Math.floor(((now - started) / 1_000) * (rate / 8 / size)) - sent;
      for (let i = 0; i < due; i++) socket.send(message);
      sent += Math.max(0, due);
      await delay(1);
    }
    // What is under way arrives.
    await delay(200);
  } finally {
    socket.close();
  }
  const count = await open(options);
  try {
    count.write(Buffer.concat([Buffer.of(ASK.count), session]));
    const [reply] = (await once(count, "data", { signal: AbortSignal.timeout(DEADLINE_MS) })) as readonly unknown[];
    if (!Buffer.isBuffer(reply) || reply.length < 4)
      throw new Error("the server does not say how many datagrams arrived");
    return { sent, received: reply.readUInt32BE(0) };
  } finally {
    count.destroy();
  }
}

/** Calls `trip` again and again for `ms`; a call that resolves with false has no time. */
async function roundTrips(ms: number, trip: () => Promise<boolean>): Promise<RoundTrips> {
  const times: number[] = [];
  const started = performance.now();
  for (let now = started; now - started < ms; ) {
    const answered = await trip();
    const after = performance.now();
    if (answered) times.push(after - now);
    now = after;
  }
  times.sort((a, b) => a - b);
  const at = (share: number): number | undefined => times[Math.min(times.length - 1, Math.floor(times.length * share))];
  const [p50, p99] = [at(0.5), at(0.99)];
  return { count: times.length, ...(p50 !== undefined && { p50 }), ...(p99 !== undefined && { p99 }) };
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
