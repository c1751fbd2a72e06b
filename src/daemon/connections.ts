// SPDX-License-Identifier: Apache-2.0

import { type ConnectOptions, connectKube } from "../kube/connect.ts";
import { openNetlink } from "../netlink/socket.ts";
import { NetlinkKernel } from "../node/kernel.ts";
import { kernelNftables } from "../node/nftables.ts";
import { VSWITCH } from "../ovsdb/generated/vswitch.ts";
import { openOvsdb } from "../ovsdb/open.ts";
import type { DaemonConnections, DaemonLog } from "./context.ts";
import type { DaemonOptions } from "./options.ts";
import { watchLostLinks } from "./pods/lost-links.ts";
import { NetlinkPodLinks } from "./pods/netlink-pod-links.ts";

/** The real connections, and a function that closes them. */
export interface OpenConnections extends DaemonConnections {
  close(): Promise<void>;
}

/** Connects to the API server, to Open vSwitch and to the kernel of this node. Rejects if no API server is configured. */
export async function openConnections(
  options: DaemonOptions,
  log: DaemonLog,
  onAnswer?: ConnectOptions["onAnswer"],
): Promise<OpenConnections> {
  const connection = await connectKube({
    userAgent: "weft-daemon",
    ...(onAnswer && { onAnswer }),
    ...(options.kubeconfig === undefined ? {} : { kubeconfig: options.kubeconfig }),
  });
  const host = openNetlink();
  const ovsdb = openOvsdb({
    remotes: [options.ovsRemote],
    database: VSWITCH.name,
    onEvent: (event) => log.debug({ event }, `ovsdb ${event.type}`),
  });
  return {
    kube: connection.kube,
    ovsdb,
    links: new NetlinkPodLinks(host),
    kernel: new NetlinkKernel(host),
    nft: kernelNftables(host),
    watchLostLinks: (onLost) =>
      watchLostLinks(host, onLost, (error) => log.warn({ err: error }, "failed to watch interfaces; watching again")),
    async close() {
      await ovsdb.close();
      connection.close();
      host.close();
    },
  };
}
