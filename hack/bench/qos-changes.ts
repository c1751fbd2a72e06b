// SPDX-License-Identifier: Apache-2.0

import type { Kube } from "../../src/kube/kube.ts";
import { PODS } from "../../src/kube/resources.ts";
import { flow, receivedBytes } from "../traffic/flow.ts";

/** From the request that changes a rate to packets at the new one, ms. */
export interface Changes {
  readonly raised: readonly number[];
  /** Until the last packet beyond the new rate. A changed meter has its burst again, which takes 20 ms of this. */
  readonly lowered: readonly number[];
}

const TURNS = 10;
/** s, for all turns. */
const SECONDS = 30;
/** Mbit/s: the two rates, and what is sent. */
const [LOW, HIGH, SENT] = [1, 100, 40];
/** A datagram of `flow` with all headers. */
const PACKET_BYTES = 1_342;
/** So many packets in so many ms are beyond the low rate; at what is sent there are 37. */
const BEYOND = { packets: 10, ms: 10 } as const;
/** With no more than so many packets in so many ms the low rate is active: it lets 14 through. A sender on a busy machine pauses for less. */
const WITHIN = { packets: 25, ms: 150 } as const;
const DEADLINE_MS = 10_000;

/**
 * Raises and lowers the rate of a pod to which datagrams are sent all the time, between two rates that packets tell apart.
 * @param path from, to (network namespaces), and the address.
 */
export async function measureChanges(
  kube: Kube,
  pod: { readonly namespace: string; readonly name: string },
  [from, to, address]: readonly [string, string, string],
): Promise<Changes> {
  const set = (mbit: number): Promise<unknown> => {
    const annotations = { "ovn.kubernetes.io/ingress_rate": `${mbit}` };
    return kube.patch(PODS, pod, { type: "merge", body: { metadata: { annotations } } });
  };
  await set(HIGH);
  const until = performance.now() + (SECONDS - 2) * 1_000;
  const flowing = flow(from, to, address, { protocol: "udp", mbit: SENT, seconds: SECONDS });
  flowing.catch(() => undefined);
  const raised: number[] = [];
  const lowered: number[] = [];
  await reached(to, "high");
  for (let turn = 0; turn < TURNS && performance.now() < until; turn++) {
    for (const [mbit, level, found] of [
      [LOW, "low", lowered],
      [HIGH, "high", raised],
    ] as const) {
      const started = performance.now();
      const [at] = await Promise.all([reached(to, level), set(mbit)]);
      found.push(at - started);
    }
  }
  await flowing;
  return { raised, lowered };
}

/** When packets began to arrive beyond the low rate, or ceased to. */
async function reached(netns: string, level: "low" | "high"): Promise<number> {
  const { packets, ms } = level === "high" ? BEYOND : WITHIN;
  const began = performance.now();
  let samples: readonly { readonly at: number; readonly bytes: number }[] = [];
  while (performance.now() < began + DEADLINE_MS) {
    const now = { at: performance.now(), bytes: receivedBytes(netns) };
    // The last sample that is old enough stays, to compare with.
    const old = samples.findLastIndex(({ at }) => at <= now.at - ms);
    samples = [...samples.slice(Math.max(0, old)), now];
    const [first = now] = samples;
    const some = now.bytes - first.bytes > packets * PACKET_BYTES;
    if (level === "high" && some) return now.at;
    if (level === "low" && now.at - first.at >= ms && !some) return first.at;
    // There is no event for packets that arrive elsewhere.
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error(`no ${level} rate within ${DEADLINE_MS} ms`);
}
