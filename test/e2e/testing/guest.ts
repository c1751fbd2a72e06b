// SPDX-License-Identifier: Apache-2.0

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import { podNetns } from "../../../hack/traffic/pods.ts";
import type { Thing } from "./objects.ts";
import { inPod } from "./pods.ts";

const SCRIPT = fileURLToPath(new URL("guest-worker.ts", import.meta.url));

/** One echo request: when it was sent, and when answers arrived. Times are ms since the epoch, with fractions, comparable on one machine. */
export interface Echo {
  readonly sent: number;
  /** More than one if more than one host answered. */
  readonly echoes: readonly number[];
}

/** The virtual machine in a pod, for which the pod's own network stack stands in. Each method resolves with the time at which it was done. */
export interface Guest {
  /** It no longer answers pings, as if it were paused. */
  pause(): Promise<number>;
  resume(): Promise<number>;
  /** It continues here, which QEMU announces by reverse ARP, five times within a second. */
  announce(): Promise<number>;
  stop(): Promise<void>;
}

async function start(pod: Thing, args: readonly string[]): Promise<{ child: ChildProcess; lines: Interface }> {
  const netns = podNetns(pod.metadata.uid);
  const child = spawn("nsenter", [`--net=${netns}`, process.execPath, SCRIPT, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const { stdout } = child;
  if (stdout === null) throw new Error("it has no output");
  const lines = createInterface({ input: stdout });
  const failed = once(child, "exit").then(() => {
    throw new Error(`${args[0]} in ${netns} ended at once`);
  });
  failed.catch(() => {});
  await Promise.race([once(lines, "line"), failed]);
  return { child, lines };
}

async function end(child: ChildProcess): Promise<void> {
  const closed = once(child, "close");
  child.stdin?.end();
  await closed;
}

/** Pings an address from a pod every `everyMs` until it is stopped; `stop` returns the result of each. */
export async function pinging(
  pod: Thing,
  address: string,
  everyMs: number,
): Promise<{ stop(): Promise<readonly Echo[]> }> {
  const { child, lines } = await start(pod, ["ping", address, String(everyMs)]);
  let text = "";
  lines.on("line", (line) => {
    text += line;
  });
  return {
    stop: async () => {
      await end(child);
      return JSON.parse(text) as readonly Echo[];
    },
  };
}

/** Stands in for the virtual machine of a pod, on one of its interfaces. */
export async function guestIn(pod: Thing, link: string): Promise<Guest> {
  const { stdout } = await inPod(pod)(["ip", "-o", "link", "show", link]);
  const [, index = "", mac = ""] = /^(\d+):.* link\/ether (\S+)/.exec(stdout) ?? [];
  const { child, lines } = await start(pod, ["guest", index, mac]);
  const say = async (command: string): Promise<number> => {
    const answer = once(lines, "line");
    child.stdin?.write(`${command}\n`);
    const [line] = await answer;
    return Number(line);
  };
  return {
    pause: () => say("pause"),
    resume: () => say("resume"),
    announce: () => say("announce"),
    stop: () => end(child),
  };
}
