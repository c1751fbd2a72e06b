// SPDX-License-Identifier: Apache-2.0

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { podNetns } from "../../../hack/traffic/pods.ts";
import type { Thing } from "./objects.ts";
import { inPod } from "./pods.ts";

const SCRIPT = fileURLToPath(new URL("link-worker.ts", import.meta.url));

/** A program in a pod's network namespace; `stop` ends it and returns what it says. */
export interface PodProgram {
  stop(): Promise<string>;
}

async function start(pod: Thing, args: readonly string[]): Promise<PodProgram> {
  const command = [`--net=${podNetns(pod.metadata.uid)}`, process.execPath, SCRIPT, ...args];
  const child: ChildProcess = spawn("nsenter", command, { stdio: ["pipe", "pipe", "inherit"] });
  let text = "";
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once("data", () => resolve());
    child.once("exit", (code) =>
      reject(new Error(`${args[0]} in ${pod.metadata.name} ended at once (exit code ${code})`)),
    );
  });
  child.stdout?.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  return {
    async stop() {
      const closed = once(child, "close");
      child.stdin?.end();
      await closed;
      return text;
    },
  };
}

/** Not by /sys, which is the host's in a namespace of the network alone. */
async function linkIndex(pod: Thing): Promise<string> {
  return /^(\d+):/.exec((await inPod(pod)(["ip", "-o", "link", "show", "eth0"])).stdout)?.[1] ?? "";
}

/** The packets that come to a pod's eth0 with this destination (`::` for any of IPv6), until it is stopped: hexadecimal digits of each, from the IP header on. */
export async function capture(pod: Thing, destination: string): Promise<{ stop(): Promise<readonly string[]> }> {
  const program = await start(pod, ["capture", await linkIndex(pod), destination]);
  return { stop: async () => JSON.parse(await program.stop()) as readonly string[] };
}

/** A pod joins a group; `stop` returns how many datagrams came. */
export async function joinGroup(
  pod: Thing,
  group: string,
  by: string,
  port: number,
): Promise<{ stop(): Promise<number> }> {
  const program = await start(pod, ["join", group, by, String(port)]);
  return { stop: async () => Number(await program.stop()) };
}

/** A pod sends so many datagrams to a group. */
export async function castToGroup(pod: Thing, group: string, by: string, port: number, count: number): Promise<void> {
  await (await start(pod, ["cast", group, by, String(port), String(count)])).stop();
}

/** A pod asks for a router advertisement. */
export async function solicitRouter(pod: Thing): Promise<void> {
  await (await start(pod, ["solicit", await linkIndex(pod)])).stop();
}

/** A pod asks for an address by DHCPv6: the server's Reply, empty where none came. */
export async function leaseV6(pod: Thing, mac: string): Promise<Buffer> {
  return Buffer.from(await (await start(pod, ["dhcpv6", "eth0", mac])).stop(), "hex");
}
