// SPDX-License-Identifier: Apache-2.0

import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";

/**
 * What a client asks of the server, by the first byte of a TCP connection. A datagram begins with the same: an echo is sent back, another is counted for its
 * session, the four bytes after it.
 */
export const ASK = {
  /** What follows is discarded; the end is answered by the end. */
  discard: 0x64,
  /** What follows is sent back. */
  echo: 0x65,
  /** The four bytes of a session follow: answered by the number of its datagrams, as four bytes. */
  count: 0x63,
} as const;

/** Bytes before the payload of a datagram that is counted. */
export const COUNTED_HEADER = 5;
/** Sessions whose datagrams are counted; the oldest is forgotten. */
const MAX_SESSIONS = 64;
/** On the TCP port at once. */
const MAX_CONNECTIONS = 64;

/** A measuring server, until it is closed. */
export interface MeasureServer {
  readonly port: number;
  close(): void;
}

/** Serves measurements on a TCP and a UDP port of the same number (0: one that is free) of all addresses. Rejects with the error of bind(2). */
export async function serveMeasurements(port: number): Promise<MeasureServer> {
  const counts = new Map<number, number>();
  const tcp = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => answer(socket, counts));
  tcp.maxConnections = MAX_CONNECTIONS;
  tcp.listen(port);
  await once(tcp, "listening");
  const address = tcp.address();
  const own = typeof address === "object" && address !== null ? address.port : port;
  const udp = await datagrams(own, counts).catch((error: unknown) => {
    tcp.close();
    throw error;
  });
  return {
    port: own,
    close: () => {
      tcp.close();
      udp.close();
    },
  };
}

function answer(socket: Socket, counts: ReadonlyMap<number, number>): void {
  socket.on("error", () => socket.destroy());
  socket.once("data", (first) => {
    switch (first[0]) {
      case ASK.discard:
        socket.on("data", () => undefined);
        socket.on("end", () => socket.end());
        return;
      case ASK.echo:
        if (first.length > 1) socket.write(first.subarray(1));
        socket.pipe(socket);
        return;
      case ASK.count: {
        const reply = Buffer.alloc(4);
        if (first.length >= COUNTED_HEADER) reply.writeUInt32BE(counts.get(first.readUInt32BE(1)) ?? 0);
        socket.end(reply);
        return;
      }
      default:
        socket.destroy();
    }
  });
}

async function datagrams(port: number, counts: Map<number, number>): Promise<DatagramSocket> {
  // A socket of IPv6 gets datagrams of both families, where the kernel has IPv6.
  const bound = async (type: "udp6" | "udp4"): Promise<DatagramSocket> => {
    const socket = createSocket({ type, recvBufferSize: 4 << 20 });
    socket.bind(port);
    await once(socket, "listening");
    return socket;
  };
  const socket = await bound("udp6").catch(() => bound("udp4"));
  socket.on("error", () => undefined);
  socket.on("message", (message, { address, port: from }) => {
    if (message[0] === ASK.echo) socket.send(message, from, address, () => undefined);
    if (message[0] !== ASK.count || message.length < COUNTED_HEADER) return;
    const session = message.readUInt32BE(1);
    counts.set(session, (counts.get(session) ?? 0) + 1);
    const [oldest] = counts.keys();
    if (counts.size > MAX_SESSIONS && oldest !== undefined) counts.delete(oldest);
  });
  return socket;
}
