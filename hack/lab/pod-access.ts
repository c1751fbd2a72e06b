// SPDX-License-Identifier: Apache-2.0

import type { LabPaths } from "./paths.ts";
import { runInSpace, type Space } from "./space.ts";
import { addressOf, CONTROL } from "./topology.ts";

const TABLE = "inet weft-lab-control";

/**
 * Gives the control plane routes to pods and Services: without these, the API server could call no webhook or
 * aggregated API that a pod serves, nor proxy to it. Usually the API server's host is a node itself. Here the nodes
 * are its routers: packets that `ctl` sends off its own link go through a node, are translated by its kube-proxy, and
 * leave with that node's InternalIP. So pods see a node, as in such a cluster, and need trust no further address. May
 * be repeated; call it again after nodes were added.
 */
export async function ensurePodAccess(paths: LabPaths, control: Space, nodes: readonly Space[]): Promise<void> {
  // Through all nodes, so that a failed one, whose neighbour entry has failed, is skipped (IPv6 does so by itself).
  await runInSpace(paths, control, ["sysctl", "-qw", "net.ipv4.fib_multipath_use_neigh=1"]);
  const route = (family: "v4" | "v6"): string =>
    `route replace default ${nodes.map(({ name }) => `nexthop via ${addressOf(name)[family]} dev eth0`).join(" ")}`;
  await Promise.all([
    runInSpace(paths, control, ["ip", "-batch", "-"], { input: `${route("v4")}\n${route("v6")}\n` }),
    ...nodes.map((node) => runInSpace(paths, node, ["nft", "-f", "-"], { input: asNode(node.name) })),
  ]);
}

/**
 * After Weft and kube-proxy, which translate packets to a Service. The ports are not those of node ports, by which
 * Weft recognises its replies.
 */
function asNode(node: string): string {
  const control = addressOf(CONTROL);
  const { v4, v6 } = addressOf(node);
  return `table ${TABLE} {}
delete table ${TABLE}
table ${TABLE} {
  chain postrouting {
    type nat hook postrouting priority srcnat + 10; policy accept;
    ip saddr ${control.v4} meta l4proto { tcp, udp } snat ip to ${v4}:32768-60999
    ip6 saddr ${control.v6} meta l4proto { tcp, udp } snat ip6 to [${v6}]:32768-60999
    ip saddr ${control.v4} snat ip to ${v4}
    ip6 saddr ${control.v6} snat ip6 to ${v6}
  }
}
`;
}
