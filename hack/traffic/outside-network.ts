// SPDX-License-Identifier: Apache-2.0

import type { Lab } from "../lab/lab.ts";
import { type Both, OUTSIDE } from "../lab/topology.ts";

/**
 * Connects the nodes and the outside host by a network of its own: the bridge `br-out` of the outside host with the router's addresses, and on each node the
 * interface `eth9` with those of `addressOf` (the node's number from 0). Prefix lengths are 24 and 112. Returns what takes it away.
 */
export async function connectOutside(
  lab: Lab,
  router: Both,
  addressOf: (node: number) => Both,
): Promise<() => Promise<void>> {
  const ext = lab.node(OUTSIDE);
  const ip = (...args: readonly string[]) => ext.exec(["ip", ...args]);
  const remove = async (): Promise<void> => {
    const links = [...lab.nodes.map((node) => `out-${node}`), "br-out"];
    for (const link of links) await ext.exec(["ip", "link", "del", link], { allowFailure: true });
  };
  await remove();
  // Without an address of its own a bridge has that of a port, and another one when that port goes with its node: routers would send to the former one until they resolve it again.
  await ip("link", "add", "br-out", "address", "02:00:00:00:77:01", "type", "bridge");
  await ip("addr", "add", `${router.v4}/24`, "dev", "br-out");
  await ip("addr", "add", `${router.v6}/112`, "dev", "br-out", "nodad");
  await ip("link", "set", "br-out", "up");
  await ext.exec(["ethtool", "-K", "br-out", "tx", "off"], { allowFailure: true });
  for (const [i, node] of lab.nodes.entries()) {
    const port = `out-${node}`;
    const own = lab.node(node);
    await ip("link", "add", port, "type", "veth", "peer", "name", "eth9", "netns", String(own.pid));
    await ip("link", "set", port, "master", "br-out", "up");
    await ext.exec(["ethtool", "-K", port, "tx", "off"]);
    await own.exec(["ip", "addr", "add", `${addressOf(i).v4}/24`, "dev", "eth9"]);
    await own.exec(["ip", "addr", "add", `${addressOf(i).v6}/112`, "dev", "eth9", "nodad"]);
    await own.exec(["ip", "link", "set", "eth9", "up"]);
  }
  return remove;
}
