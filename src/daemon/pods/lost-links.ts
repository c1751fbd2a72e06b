// SPDX-License-Identifier: Apache-2.0

import type { NetlinkSocket } from "../../netlink/socket.ts";
import { type NetlinkEvent, type Subscription, watch } from "../../netlink/watch.ts";
import { isHostLinkName } from "../../node/link-names.ts";

/**
 * Calls `onLost` with the name of each pod's host end that disappears, for any reason: removing a namespace removes
 * the pair, and ovs-vswitchd does not report it before its next reconfiguration. Called without a name if events may
 * have been missed.
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
