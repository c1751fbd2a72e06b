// SPDX-License-Identifier: Apache-2.0

import { run } from "../../../hack/host/run.ts";
import { podNetns } from "../../../hack/traffic/pods.ts";
import type { Thing } from "./objects.ts";

/** Counts the frames that arrive at a pod, by source MAC. */
export interface FrameCounter {
  /** MAC → number of frames since {@link countFrames}. */
  read(): Promise<Readonly<Record<string, number>>>;
  stop(): Promise<void>;
}

const TABLE = "weft_test_frames";

/**
 * Starts to count the frames that arrive at a pod's `eth0` from each of these MACs: of any protocol and destination, before the pod's
 * own stack sees them (nft's netdev hook).
 */
export async function countFrames(pod: Thing, macs: readonly string[]): Promise<FrameCounter> {
  const nft = async (...args: readonly string[]): Promise<string> =>
    (await run("nsenter", [`--net=${podNetns(pod.metadata.uid)}`, "nft", ...args])).stdout;
  const counters = macs.map((_, i) => `counter from${i} {}`);
  const rules = macs.map((mac, i) => `ether saddr ${mac} counter name from${i}`);
  const chain = ["chain in {", "type filter hook ingress device eth0 priority 0", ...rules, "}"];
  await nft([`table netdev ${TABLE} {`, ...counters, ...chain, "}"].join("\n"));
  return {
    read: async () => {
      const text = await nft("list", "counters", "table", "netdev", TABLE);
      const found = new Map(
        [...text.matchAll(/counter from(\d+) \{\s*packets (\d+)/g)].map(([, i, n]) => [Number(i), Number(n)]),
      );
      return Object.fromEntries(macs.map((mac, i) => [mac, found.get(i) ?? -1]));
    },
    stop: async () => void (await nft("delete", "table", "netdev", TABLE)),
  };
}

/** The MAC of a pod's own interface. */
export function macOf(pod: Thing): string {
  return String(pod.metadata.annotations?.["ovn.kubernetes.io/mac_address"]).toLowerCase();
}
