// SPDX-License-Identifier: Apache-2.0

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { run } from "../host/run.ts";
import { quantile } from "./statistics.ts";

const WORKER = fileURLToPath(new URL("../traffic/connections-worker.ts", import.meta.url));

/** Ports of the servers. */
export const IPERF_PORT = 5301;
export const CONNECTIONS_PORT = 5302;

/** How long one measurement takes: short, so that a path and the one that it is compared with are close to each other. */
export const SECONDS = 1;
/** Connections that are open at the same time. */
const AT_ONCE = 16;

/** Starts iperf3, at one address (so that its datagrams have it as their source) or at all, and a server of short connections in a network namespace; returns what stops them. */
export async function startServers(netns: string, at?: string): Promise<() => Promise<void>> {
  const bind = at === undefined ? [] : [`--bind=${at}`];
  const children = [
    spawn("nsenter", [`--net=${netns}`, "iperf3", "--server", `--port=${IPERF_PORT}`, "--forceflush", ...bind]),
    spawn("nsenter", [`--net=${netns}`, process.execPath, WORKER, "serve", `${CONNECTIONS_PORT}`]),
  ];
  await Promise.all(children.map(started));
  return async () => void (await Promise.all(children.map(stop)));
}

async function started(child: ChildProcess): Promise<void> {
  if (child.stdout === null) return;
  const failed = once(child, "exit").then(([code]) => {
    throw new Error(`a server of the bench ended at once (exit code ${code})`);
  });
  await Promise.race([once(child.stdout, "data"), failed]);
  failed.catch(() => undefined);
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

/** Datagrams of so many bytes, as fast as they can be sent: how many came, per second. */
export async function udpPackets(netns: string, address: string, port: number, bytes: number): Promise<number> {
  const { sum } = await iperf(netns, address, port, ["--udp", "--bandwidth=0", `--length=${bytes}`]);
  return ((sum?.packets ?? Number.NaN) - (sum?.lost_packets ?? 0)) / (sum?.seconds ?? Number.NaN);
}

/** One TCP connection: bit/s that came. */
export async function tcpThroughput(netns: string, address: string, port: number): Promise<number> {
  const { sum_received } = await iperf(netns, address, port, []);
  return sum_received?.bits_per_second ?? Number.NaN;
}

interface IperfEnd {
  readonly sum?: { readonly packets: number; readonly lost_packets: number; readonly seconds: number };
  readonly sum_received?: { readonly bits_per_second: number };
}

async function iperf(netns: string, address: string, port: number, more: readonly string[]): Promise<IperfEnd> {
  const args = ["iperf3", `--client=${address}`, `--port=${port}`, `--time=${SECONDS}`, "--json", ...more];
  const { stdout } = await run("nsenter", [`--net=${netns}`, ...args], { allowFailure: true, timeoutMs: 30_000 });
  const { end, error } = JSON.parse(stdout) as { readonly end: IperfEnd; readonly error?: string };
  if (error !== undefined) throw new Error(`iperf3 to ${address}:${port}: ${error}`);
  return end;
}

/** Connections of one request each. */
export interface Connections {
  /** With sixteen at the same time. */
  readonly perSecond: number;
  /** From connect to the end of the answer, one after the other; ms. */
  readonly p50: number;
  readonly p99: number;
  /** How many were made, both ways together. */
  readonly made: number;
  readonly failed: number;
}

/** Makes connections for some seconds. `port`: where a Service has another one. */
export async function connections(netns: string, address: string, port = CONNECTIONS_PORT): Promise<Connections> {
  const alone = await worker(netns, address, port, 1);
  const together = await worker(netns, address, port, AT_ONCE);
  return {
    perSecond: together.times.length / SECONDS,
    p50: quantile(alone.times, 0.5),
    p99: quantile(alone.times, 0.99),
    made: alone.times.length + together.times.length,
    failed: alone.failed + together.failed,
  };
}

async function worker(
  netns: string,
  address: string,
  port: number,
  atOnce: number,
): Promise<{ readonly times: readonly number[]; readonly failed: number }> {
  const args = [process.execPath, WORKER, "connect", address, `${port}`, `${SECONDS * 1000}`, `${atOnce}`];
  const { stdout } = await run("nsenter", [`--net=${netns}`, ...args], { timeoutMs: 30_000 });
  return JSON.parse(stdout) as { times: number[]; failed: number };
}
