// SPDX-License-Identifier: Apache-2.0

import type { NetlinkSocket } from "../../netlink/socket.ts";
import { type NetlinkEvent, type Subscription, watch } from "../../netlink/watch.ts";
import { isHostLinkName } from "../../node/link-names.ts";

/**
 * Calls `onLost` with the name of each pod's host end that disappears, whoever removes it: a namespace that is removed takes the pair
 * along, and ovs-vswitchd says nothing of it before it is next reconfigured. Without a name: some may have gone unseen.
 * @param onFailure the watch failed and was started again.
 */
export function watchLostLinks(
  host: NetlinkSocket,
  onLost: (name: string | undefined) => void,
  onFailure: (error: Error) => void,
): { close(): void } {
  let subscription: Subscription | undefined;
  const listen = (event: NetlinkEvent): void => {
    switch (event.type) {
      case "link":
        if (event.change === "removed" && isHostLinkName(event.link.name)) onLost(event.link.name);
        break;
      case "overrun":
        onLost(undefined);
        break;
      case "failed":
        onFailure(event.error);
        subscription = watch(host, ["link"], listen);
        onLost(undefined);
        break;
      default:
        break;
    }
  };
  subscription = watch(host, ["link"], listen);
  return { close: () => subscription?.close() };
}
