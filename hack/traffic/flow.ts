// SPDX-License-Identifier: Apache-2.0

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";

/** What arrived at an interface, with the headers of IP and Ethernet. */
export interface Arrived {
  readonly mbit: number;
  readonly seconds: number;
}

/** How {@link flow} sends. */
export interface FlowOptions {
  /** One TCP connection, or datagrams of `mbit` Mbit/s. */
  readonly protocol: "tcp" | "udp";
  readonly mbit: number;
  /** How long it is measured, s; or as long as `during` takes. */
  readonly seconds?: number;
  readonly during?: () => Promise<void>;
  /** How long it is sent before that, s: a burst that has been saved up is not measured then. */
  readonly settle?: number;
  /** Of the server; for several at a time. */
  readonly port?: number;
  /** The interface at which it is measured; default `eth0`. */
  readonly link?: string;
  /** TCP's congestion control; default that of the sender's kernel. */
  readonly congestion?: string;
  /** Words before the program, such as `["nice", "-n", "-5"]`. */
  readonly by?: readonly string[];
}

/**
 * Sends from one network namespace to an address of another, both as `podNetns` gives them, with iperf3, and measures what arrives at an interface by its
 * counters: they include what a queue at the end drops, and when they were read.
 */
export async function flow(from: string, to: string, address: string, options: FlowOptions): Promise<Arrived> {
  const { protocol, mbit, seconds = 0, settle = 0, port = 5201, link = "eth0", by = [], congestion } = options;
  const { during = () => pause(seconds * 1_000) } = options;
  const start = (netns: string, args: readonly string[]): ChildProcess =>
    spawn("nsenter", [`--net=${netns}`, ...by, "iperf3", `--port=${port}`, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
  // Bound, so that the datagrams of its answers have this address as their source too.
  const server = start(to, ["--server", "--one-off", "--forceflush", `--bind=${address}`]);
  const udp = ["--udp", `--bandwidth=${mbit}M`, "--length=1300"];
  const tcp = congestion === undefined ? [] : [`--congestion=${congestion}`];
  let client: ChildProcess | undefined;
  try {
    await speaks(server);
    client = start(from, [
      `--client=${address}`,
      "--time=3600",
      "--interval=0.1",
      "--forceflush",
      ...(protocol === "udp" ? udp : tcp),
    ]);
    // Its first lines: it is connected, and has sent for a while.
    await speaks(client);
    client.stdout?.resume();
    server.stdout?.resume();
    await pause(100 + settle * 1_000);
    const [before, started] = [passedBytes(to, link).received, performance.now()];
    await during();
    const [after, ended] = [passedBytes(to, link).received, performance.now()];
    if (client.exitCode !== null) throw new Error(`iperf3 to ${address}:${port} ended early`);
    return { mbit: ((after - before) * 8) / 1e6, seconds: (ended - started) / 1_000 };
  } finally {
    for (const child of [client, server]) await stop(child);
  }
}

/** Bytes that an interface of a network namespace has passed, with the headers of Ethernet (proc_pid_net(5), dev). @throws Error where there is none of the name. */
export function passedBytes(netns: string, link = "eth0"): { readonly received: number; readonly sent: number } {
  const text = readFileSync(netns.replace("/ns/net", "/net/dev"), "utf8");
  const line = text.split("\n").find((each) => each.trim().startsWith(`${link}:`));
  if (line === undefined) throw new Error(`${netns} has no interface ${link}`);
  const fields = line
    .slice(line.indexOf(":") + 1)
    .trim()
    .split(/\s+/)
    .map(Number);
  return { received: fields[0] ?? Number.NaN, sent: fields[8] ?? Number.NaN };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function speaks(child: ChildProcess): Promise<void> {
  if (child.stdout === null) return;
  const failed = once(child, "exit").then(([code]) => {
    throw new Error(`iperf3 ended at once (exit code ${code})`);
  });
  failed.catch(() => undefined);
  await Promise.race([once(child.stdout, "data"), failed]);
}

async function stop(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}
