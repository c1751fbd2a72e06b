// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { once } from "node:events";
import { podNetns } from "../../../hack/traffic/pods.ts";
import type { Thing } from "./objects.ts";

/** Pings from a pod to an address, five a second, during an action. */
export interface Echoes {
  /** Stops them, and returns how many were sent and how many of them had no reply. */
  stop(): Promise<{ readonly sent: number; readonly lost: number }>;
}

/** Starts to send pings from a pod (or any object with the uid of one). */
export function startEchoes(pod: Pick<Thing, "metadata">, address: string): Echoes {
  const args = [`--net=${podNetns(pod.metadata.uid)}`, "busybox", "ping", "-q", "-i", "0.2", address];
  const child = spawn("nsenter", args, { stdio: ["ignore", "pipe", "ignore"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  return {
    async stop() {
      const closed = once(child, "close");
      // On SIGINT it prints its summary.
      child.kill("SIGINT");
      await closed;
      const [, sent, received] = /(\d+) packets transmitted, (\d+) packets received/.exec(text) ?? [];
      return { sent: Number(sent ?? 0), lost: Number(sent ?? 0) - Number(received ?? 0) };
    },
  };
}
