// SPDX-License-Identifier: Apache-2.0

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { Family } from "../net/address.ts";
import { afterReading } from "./after-reading.ts";
import type { TargetPort } from "./options.ts";

/** Until a port must answer, in ms. */
const DEADLINE_MS = 2_000;
/** On the TCP port at once. A connection is closed as soon as it is accepted. */
const MAX_CONNECTIONS = 64;
/** An answer is no question: two responders that get a datagram with the other's address as its source do not answer each other for ever. */
const QUESTION = "weft-pinger?";
const ANSWER = "weft-pinger!";

/** Why a port does not answer; undefined if it does. A UDP port answers by any datagram. Never rejects. */
export async function checkPort(target: TargetPort): Promise<string | undefined> {
  const late = new AbortController();
  const { signal } = late;
  const timer = setTimeout(() => afterReading(() => late.abort()), DEADLINE_MS);
  try {
    await (target.protocol === "tcp" ? checkTcp(target, signal) : checkUdp(target, signal));
    return undefined;
  } catch (error) {
    if (signal.aborted) return `no answer within ${DEADLINE_MS / 1_000} s`;
    return error instanceof Error ? error.message : String(error);
  } finally {
    clearTimeout(timer);
  }
}

async function checkTcp({ address, port }: TargetPort, signal: AbortSignal): Promise<void> {
  const socket = connect({ host: address, port });
  try {
    await once(socket, "connect", { signal });
  } finally {
    socket.on("error", () => undefined).destroy();
  }
}

async function checkUdp({ family, address, port }: TargetPort, signal: AbortSignal): Promise<void> {
  const socket = createSocket(family === 6 ? "udp6" : "udp4");
  try {
    socket.connect(port, address);
    await once(socket, "connect", { signal });
    socket.send(QUESTION);
    await once(socket, "message", { signal });
  } finally {
    socket.on("error", () => undefined).close();
  }
}

/** Ports that answer other probers, until they are closed. */
export interface Responders {
  close(): void;
}

/**
 * Answers on a TCP and a UDP port of all addresses of these families; 0: not at all. `onError`: an error of a listening socket. Rejects with the error of
 * bind(2).
 */
export async function respond(
  ports: { readonly tcp: number; readonly udp: number },
  families: ReadonlySet<Family>,
  onError: (error: Error) => void,
): Promise<Responders> {
  const close: (() => void)[] = [];
  if (ports.tcp !== 0) {
    const server = createServer((socket) => socket.on("error", () => undefined).destroy());
    server.maxConnections = MAX_CONNECTIONS;
    server.listen({ port: ports.tcp });
    await once(server, "listening");
    server.on("error", onError);
    close.push(() => server.close());
  }
  if (ports.udp !== 0) {
    // Such a socket of IPv6 gets datagrams of both families (ipv6(7), IPV6_V6ONLY).
    const socket = createSocket(families.has(6) ? "udp6" : "udp4");
    socket.on("message", (message, { address, port }) => {
      if (message.toString("latin1") === QUESTION) socket.send(ANSWER, port, address, () => undefined);
    });
    socket.bind(ports.udp);
    await once(socket, "listening");
    socket.on("error", onError);
    close.push(() => socket.close());
  }
  return {
    close: () => {
      for (const one of close) one();
    },
  };
}
