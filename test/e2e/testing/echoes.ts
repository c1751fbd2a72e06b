// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { once } from "node:events";
import { podNetns } from "../../../hack/traffic/pods.ts";
import type { Thing } from "./objects.ts";

/** Echoes from a pod to an address, five a second, for as long as something goes on. */
export interface Echoes {
  /** Ends them, and tells how many were sent and how many of them had no reply. */
  stop(): Promise<{ readonly sent: number; readonly lost: number }>;
}

/** Begins to send echoes from a pod (or from whatever has the uid of one). */
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
      // It prints its summary then.
      child.kill("SIGINT");
      await closed;
      const [, sent, received] = /(\d+) packets transmitted, (\d+) packets received/.exec(text) ?? [];
      return { sent: Number(sent ?? 0), lost: Number(sent ?? 0) - Number(received ?? 0) };
    },
  };
}
