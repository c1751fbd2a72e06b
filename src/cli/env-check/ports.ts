// SPDX-License-Identifier: Apache-2.0

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect, createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/**
 * Ports that nodes need between each other: Geneve tunnels, and OVN's databases on nodes with ovn-central; with
 * several of these also raft's (6643, 6644) and the one by which northd reaches the databases of another (6649), and
 * with TLS that of the southbound members behind the relays (6650), see `start-central`.
 */
export function portsBetweenNodes({ centrals, tls }: CentralChoice): ProbedPorts {
  const members = centrals > 1 ? [6643, 6644, 6649, ...(tls ? [6650] : [])] : [];
  return { udp: [6081], tcp: [6641, 6642, ...members] };
}

/** The chart's values that determine the ports. */
export interface CentralChoice {
  /** Replicas of ovn-central. */
  readonly centrals: number;
  readonly tls: boolean;
}

/** The text that a listener answers and a prober expects, and that no other program sends. */
const WORD = "weft-env-check";
/** A datagram may be lost, and is sent again after this time. */
const RESEND_MS = 500;

/** Ports to listen on or to probe. */
export interface ProbedPorts {
  readonly udp: readonly number[];
  readonly tcp: readonly number[];
}

/** Answers on `ports` of all addresses until `signal` fires. Resolves with a function that waits for the end, once all ports are open; rejects if one is in use. */
export async function listen(ports: ProbedPorts, signal: AbortSignal): Promise<() => Promise<void>> {
  const closing: (() => void)[] = [];
  for (const port of ports.udp) {
    // A node without IPv6 has no [::]; where it has, [::] takes IPv4 as well.
    const socket = createSocket(existsSync("/proc/net/if_inet6") ? "udp6" : "udp4");
    socket.on("message", (message, { address, port: from }) => {
      if (message.toString() === WORD) socket.send(WORD, from, address);
    });
    socket.bind(port);
    await once(socket, "listening");
    closing.push(() => socket.close());
  }
  for (const port of ports.tcp) {
    const server = createServer((socket) => socket.on("error", () => undefined).end(WORD)).listen(port);
    await once(server, "listening");
    closing.push(() => server.close());
  }
  return async () => {
    if (!signal.aborted) await once(signal, "abort");
    for (const close of closing) close();
  };
}

/**
 * Probes every port of every address; resolves with those that did not answer within `timeoutMs`: "udp/6081 at
 * 192.0.2.1".
 */
export async function unreachable(
  addresses: readonly string[],
  ports: ProbedPorts,
  timeoutMs: number,
): Promise<readonly string[]> {
  const asked = addresses.flatMap((address) => [
    ...ports.udp.map(async (port) => ((await asksUdp(address, port, timeoutMs)) ? [] : [`udp/${port} at ${address}`])),
    ...ports.tcp.map(async (port) => ((await asksTcp(address, port, timeoutMs)) ? [] : [`tcp/${port} at ${address}`])),
  ]);
  return (await Promise.all(asked)).flat();
}

async function asksUdp(address: string, port: number, timeoutMs: number): Promise<boolean> {
  const control = new AbortController();
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  // "Port unreachable" may come from a listener that is about to start.
  socket.on("error", () => undefined);
  const answered = once(socket, "message", { signal: AbortSignal.timeout(timeoutMs) }).then(
    ([message]) => String(message) === WORD,
    () => false,
  );
  const send = async (): Promise<void> => {
    while (!control.signal.aborted) {
      socket.send(WORD, port, address, () => undefined);
      await delay(RESEND_MS, undefined, { signal: control.signal }).catch(() => undefined);
    }
  };
  void send();
  try {
    return await answered;
  } finally {
    control.abort();
    socket.close();
  }
}

async function asksTcp(address: string, port: number, timeoutMs: number): Promise<boolean> {
  const socket = connect({ host: address, port, timeout: timeoutMs });
  let said = "";
  socket.on("data", (part) => (said += part.toString()));
  socket.on("timeout", () => socket.destroy());
  socket.on("error", () => undefined);
  await once(socket, "close", { signal: AbortSignal.timeout(timeoutMs) }).catch(() => undefined);
  socket.destroy();
  return said === WORD;
}
