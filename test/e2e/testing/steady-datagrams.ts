// SPDX-License-Identifier: Apache-2.0

import { setTimeout as delay } from "node:timers/promises";
import type { Test } from "tap";
import { podNetns } from "../../../hack/traffic/pods.ts";
import { datagramStream, echoServer } from "../../../hack/traffic/stream.ts";
import { addressesOf, idlePod, run } from "./pods.ts";
import type { World } from "./world.ts";

const PORT = 9_000;
const EVERY_MS = 10;
/** How late an echo may be on a busy machine: it is not lost. */
const LAST_MS = 5_000;

/** Does `work` while datagrams are sent, and checks that none was lost. Resolves with the result of `work`. */
export type Undisturbed = <R>(t: Test, work: () => Promise<R>) => Promise<R>;

/**
 * Starts a pod on each of two nodes, and returns a function that has one send the other a datagram each 10 ms and family, which is answered. Other pods
 * should start on a third node meanwhile, or not at all: where the datapath is in userspace, each new link of a node may cost its tunnels packets
 * (docs/design/other-software.md).
 */
export async function steadyDatagrams(t: Test, world: World, namespace: string): Promise<Undisturbed> {
  const [client, server] = await run(world, [
    idlePod(namespace, "client", "weft-1"),
    idlePod(namespace, "server", "weft-2"),
  ]);
  const echo = await echoServer(podNetns(server!.metadata.uid), PORT);
  t.teardown(() => echo.stop());
  return async (t, work) => {
    const streams = await Promise.all(
      addressesOf(server!).map(async (address) => {
        const stream = await datagramStream(podNetns(client!.metadata.uid), address, PORT, EVERY_MS, LAST_MS);
        return { address, stream };
      }),
    );
    await delay(500);
    try {
      return await work();
    } finally {
      for (const { address, stream } of streams) {
        const shots = await stream.stop();
        const lost = shots.flatMap(({ echoed }, i) => (echoed === undefined ? [i * EVERY_MS] : []));
        t.same(lost, [], `none of ${shots.length} datagrams to ${address} is lost (those that are: when, in ms)`);
      }
    }
  };
}
