// SPDX-License-Identifier: Apache-2.0

import type { Kube } from "../../src/kube/kube.ts";
import { PODS } from "../../src/kube/resources.ts";
import { flow, passedBytes } from "../traffic/flow.ts";

/** From the request that changes a rate until it is active, ms: by packets. {@link LOOK_MS} stands for that and more. */
export interface Changes {
  readonly raised: readonly number[];
  readonly lowered: readonly number[];
}

/** What has been sent and has arrived so many ms after a request, bit. */
export interface Passed {
  readonly at: number;
  readonly sent: number;
  readonly arrived: number;
}

const TURNS = 20;
/** ms for which packets are counted after a request. */
const LOOK_MS = 300;
/** Mbit/s: the two rates, and what is sent. */
const [LOW, HIGH, SENT] = [1, 100, 40];
/** bit: of the low rate, which the changed meter has again. */
const BURST = LOW * 0.8e6;

/**
 * Raises and lowers the rate of a pod to which datagrams are sent all the time, between two rates of which one lets all of them through.
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
  const raised: number[] = [];
  const lowered: number[] = [];
  await flow(from, to, address, {
    ...{ protocol: "udp", mbit: SENT, settle: 1 },
    during: async () => {
      for (let turn = 0; turn < TURNS; turn++) {
        for (const [mbit, found] of [
          [LOW, lowered],
          [HIGH, raised],
        ] as const) {
          const [samples] = await Promise.all([watch(from, to), set(mbit)]);
          found.push(activeAfter(samples, mbit === LOW ? "low" : "high"));
        }
      }
    },
  });
  return { raised, lowered };
}

/** What passes from now on. */
async function watch(from: string, to: string): Promise<readonly Passed[]> {
  const samples: Passed[] = [];
  const read = (): Passed => ({
    ...{ at: performance.now(), sent: passedBytes(from).sent * 8, arrived: passedBytes(to).received * 8 },
  });
  const first = read();
  while ((samples.at(-1)?.at ?? 0) < LOOK_MS) {
    // There is no event for packets that arrive elsewhere.
    await new Promise((resolve) => setTimeout(resolve, 2));
    const { at, sent, arrived } = read();
    samples.push({ at: at - first.at, sent: sent - first.sent, arrived: arrived - first.arrived });
  }
  return samples;
}

/**
 * When the new rate was active, ms: as long as the high rate was, all that was sent had arrived, and else what the low one lets through. So the sum of what has
 * arrived tells it, however unevenly it was sent. Datagrams that are lost elsewhere make a raised rate late, and a lowered one early.
 */
export function activeAfter(samples: readonly Passed[], rate: "low" | "high"): number {
  const { at: end, sent, arrived } = samples.at(-1) ?? { at: LOOK_MS, sent: 0, arrived: 0 };
  const low = (ms: number): number => ms * LOW * 1_000;
  const isPast = (now: Passed): boolean =>
    rate === "low" ? now.sent + BURST + low(end - now.at) >= arrived : low(now.at) + sent - now.sent <= arrived;
  return samples.find(isPast)?.at ?? LOOK_MS;
}
