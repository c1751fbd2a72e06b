// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import { OUTSIDE } from "../../../hack/lab/topology.ts";
import type { World } from "./world.ts";

/** An address of each family. */
interface Addresses {
  readonly v4: string;
  readonly v6: string;
}

/**
 * Connects the nodes and the outside host by a network of its own until the test's end: the bridge `br-out` of the outside host with the router's addresses, and on
 * each node the interface `eth9` with those of `addressOf` (the node's number from 0). Prefix lengths are 24 and 112.
 */
export async function plugOutside(
  t: Test,
  world: World,
  router: Addresses,
  addressOf: (node: number) => Addresses,
): Promise<void> {
  const ext = world.lab.node(OUTSIDE);
  const ip = (...args: readonly string[]) => ext.exec(["ip", ...args]);
  const clear = () => ext.exec(["ip", "link", "del", "br-out"], { allowFailure: true });
  await clear();
  t.teardown(clear);
  await ip("link", "add", "br-out", "type", "bridge");
  await ip("addr", "add", `${router.v4}/24`, "dev", "br-out");
  await ip("addr", "add", `${router.v6}/112`, "dev", "br-out", "nodad");
  await ip("link", "set", "br-out", "up");
  await ext.exec(["ethtool", "-K", "br-out", "tx", "off"], { allowFailure: true });
  for (const [i, node] of world.lab.nodes.entries()) {
    const port = `out-${node}`;
    const own = world.lab.node(node);
    const unplug = () => ext.exec(["ip", "link", "del", port], { allowFailure: true });
    await unplug();
    t.teardown(unplug);
    await ip("link", "add", port, "type", "veth", "peer", "name", "eth9", "netns", String(own.pid));
    await ip("link", "set", port, "master", "br-out", "up");
    await ext.exec(["ethtool", "-K", port, "tx", "off"]);
    await own.exec(["ip", "addr", "add", `${addressOf(i).v4}/24`, "dev", "eth9"]);
    await own.exec(["ip", "addr", "add", `${addressOf(i).v6}/112`, "dev", "eth9", "nodad"]);
    await own.exec(["ip", "link", "set", "eth9", "up"]);
  }
}
