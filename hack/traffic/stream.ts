// SPDX-License-Identifier: Apache-2.0

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type LineProgram, startLines } from "./lines.ts";

/** One datagram. Times are ms since the epoch, with fractions, and the same on all of one machine. */
export interface Shot {
  readonly sent: number;
  /** When its echo was received; absent without one. */
  readonly echoed?: number;
}

const SCRIPT = fileURLToPath(new URL("stream-worker.ts", import.meta.url));

/** Starts a program of ours in a network namespace; resolves when it says that it is ready. */
async function start(netns: string, args: readonly string[]): Promise<ChildProcess> {
  const child = spawn("nsenter", [`--net=${netns}`, process.execPath, SCRIPT, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ready = new Promise<void>((resolve, reject) => {
    child.stdout?.once("data", () => resolve());
    child.once("exit", (code) => reject(new Error(`${args[0]} in ${netns} ended at once (exit code ${code})`)));
  });
  await ready;
  return child;
}

/** Answers each datagram to `port` in a network namespace with the same datagram, until it is stopped. */
export async function echoServer(netns: string, port: number): Promise<{ stop(): Promise<void> }> {
  const child = await start(netns, ["echo", `${port}`]);
  return { stop: async () => void (await end(child)) };
}

/**
 * Sends a datagram every `everyMs` from a network namespace to an echo server, until it is stopped; `stop` returns what happened to
 * each, in order, once the echoes of the last `lastMs` have come, or after as long a time.
 */
export async function datagramStream(
  netns: string,
  address: string,
  port: number,
  everyMs: number,
  lastMs = 100,
): Promise<{ stop(): Promise<readonly Shot[]> }> {
  const child = await start(netns, ["stream", address, `${port}`, `${everyMs}`, `${lastMs}`]);
  return {
    stop: async () => JSON.parse(await end(child)) as readonly Shot[],
  };
}

/** The longest time in which no echo came of datagrams that were sent every `everyMs`, in s. */
export function longestSilence(shots: readonly Shot[], everyMs: number): number {
  let longest = 0;
  let since: number | undefined;
  for (const { sent, echoed } of shots) {
    if (echoed !== undefined) since = undefined;
    else {
      since ??= sent;
      longest = Math.max(longest, sent + everyMs - since);
    }
  }
  return longest / 1000;
}

/**
 * Takes datagrams to `port` in a network namespace until it is stopped; each is a line with its source and size, as `10.16.0.5 3000`. What was sent
 * may still be on its way: wait until the last datagram has come before stopping it.
 */
export function receiver(netns: string, port: number): Promise<LineProgram> {
  return startLines(netns, SCRIPT, ["receive", `${port}`]);
}

/** Sends one datagram from a network namespace; `source` is an address of that, or "" for the usual one. Resolves when it is sent. */
export async function sendDatagram(
  netns: string,
  source: string,
  address: string,
  port: number,
  bytes: number,
): Promise<void> {
  await end(await start(netns, ["send", source, address, `${port}`, `${bytes}`]));
}

/**
 * Sends to the end of a node's tunnels what another node would send there for a pod: a datagram of 5 bytes from the address that a pod
 * sees of itself, to `port` of the pod with this MAC and IPv4 address; `keys` are the tunnel keys of its logical switch and its port. Resolves when all is sent.
 */
export async function sendThroughTunnel(
  netns: string,
  tunnelEnd: string,
  pod: { readonly mac: string; readonly address: string; readonly keys: readonly [number, number] },
  port: number,
): Promise<void> {
  await end(await start(netns, ["tunnel", tunnelEnd, pod.mac, pod.address, ...[port, ...pod.keys].map(String)]));
}

/**
 * Sends datagrams from a network namespace to all of `addresses` in turn, as fast as `perMs` a millisecond, and waits for no answer, until
 * it is stopped; `stop` returns how many were sent, also when it is called again.
 */
export async function barrage(
  netns: string,
  addresses: readonly string[],
  port: number,
  perMs: number,
): Promise<{ stop(): Promise<number> }> {
  const child = await start(netns, ["barrage", `${port}`, `${perMs}`, ...addresses]);
  let sent: Promise<number> | undefined;
  return { stop: () => (sent ??= end(child).then(Number)) };
}

/** Ends a program by closing its standard input; returns what it says at its end. */
async function end(child: ChildProcess): Promise<string> {
  let text = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  const closed = once(child, "close");
  child.stdin?.end();
  await closed;
  return text;
}
