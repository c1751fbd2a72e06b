// SPDX-License-Identifier: Apache-2.0

import { type Address, decodeAddress, RTM_DELADDR, RTM_NEWADDR } from "./address-codec.ts";
import { NetlinkError } from "./error.ts";
import { decodeLink, type Link, RTM_DELLINK, RTM_NEWLINK } from "./link-codec.ts";
import type { NetlinkMessage } from "./message.ts";
import { decodeNeighbour, type Neighbour, RTM_DELNEIGH, RTM_NEWNEIGH } from "./neighbour-codec.ts";
import { decodeNetconf, type Netconf, RTM_NEWNETCONF } from "./netconf-codec.ts";
import { decodeNftChange } from "./nft-codec.ts";
import { decodeQdisc, type Qdisc, RTM_DELQDISC, RTM_NEWQDISC } from "./qdisc-codec.ts";
import { decodeRoute, type Route, RTM_DELROUTE, RTM_NEWROUTE } from "./route-codec.ts";
import { decodeRule, RTM_DELRULE, RTM_NEWRULE, type Rule } from "./rule-codec.ts";
import type { NetlinkSocket } from "./socket.ts";
import type { NetlinkGroup, Subscription } from "./subscription.ts";

export type { NetlinkGroup, Subscription } from "./subscription.ts";

/** `set`: new or changed. The kernel also reports changes that are not visible in the object. */
export type KernelChange = "set" | "removed";

/**
 * An event of a network namespace. `overrun`: changes were lost, list again. `failed`: the watch is closed, watch and
 * list again.
 */
export type NetlinkEvent =
  | { readonly type: "link"; readonly change: KernelChange; readonly link: Link }
  | { readonly type: "address"; readonly change: KernelChange; readonly address: Address }
  | { readonly type: "route"; readonly change: KernelChange; readonly route: Route }
  | { readonly type: "neighbour"; readonly change: KernelChange; readonly neighbour: Neighbour }
  | { readonly type: "rule"; readonly change: KernelChange; readonly rule: Rule }
  | { readonly type: "qdisc"; readonly change: KernelChange; readonly qdisc: Qdisc }
  /** A sysctl was set. */
  | { readonly type: "netconf"; readonly netconf: Netconf }
  /** A table of nftables was changed, `family` as nft(8) writes it; one event for each rule of a large change. */
  | { readonly type: "nftables"; readonly family: string; readonly table: string }
  | { readonly type: "overrun" }
  | { readonly type: "failed"; readonly error: NetlinkError };

/**
 * Calls `listener` from the event loop for changes in the socket's namespace. To miss nothing, watch first and
 * list afterwards: changes in between are reported twice. `nftables` cannot be combined with others: throws a TypeError.
 */
export function watch(
  socket: NetlinkSocket,
  groups: readonly NetlinkGroup[],
  listener: (event: NetlinkEvent) => void,
): Subscription {
  const subscription = socket.subscribe(groups, (notice) => {
    if (notice.type !== "message") {
      listener(notice);
      return;
    }
    let event: NetlinkEvent | undefined;
    try {
      event = decodeEvent(notice.message);
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      subscription.close();
      event = { type: "failed", error };
    }
    if (event !== undefined) listener(event);
  });
  return subscription;
}

/** Reads a notification; `undefined` for others (bridge tables, cached routes). Throws `protocol`. */
function decodeEvent(message: NetlinkMessage): NetlinkEvent | undefined {
  const { payload } = message;
  switch (message.type) {
    case RTM_NEWLINK:
    case RTM_DELLINK: {
      const link = decodeLink(payload);
      return link && { type: "link", change: message.type === RTM_NEWLINK ? "set" : "removed", link };
    }
    case RTM_NEWADDR:
    case RTM_DELADDR: {
      const address = decodeAddress(payload);
      return address && { type: "address", change: message.type === RTM_NEWADDR ? "set" : "removed", address };
    }
    case RTM_NEWROUTE:
    case RTM_DELROUTE: {
      const route = decodeRoute(payload);
      return route && { type: "route", change: message.type === RTM_NEWROUTE ? "set" : "removed", route };
    }
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH: {
      const neighbour = decodeNeighbour(payload);
      return neighbour && { type: "neighbour", change: message.type === RTM_NEWNEIGH ? "set" : "removed", neighbour };
    }
    case RTM_NEWRULE:
    case RTM_DELRULE: {
      const rule = decodeRule(payload);
      return rule && { type: "rule", change: message.type === RTM_NEWRULE ? "set" : "removed", rule };
    }
    case RTM_NEWQDISC:
    case RTM_DELQDISC: {
      const qdisc = decodeQdisc(payload);
      return { type: "qdisc", change: message.type === RTM_NEWQDISC ? "set" : "removed", qdisc };
    }
    case RTM_NEWNETCONF: {
      const netconf = decodeNetconf(payload);
      return netconf && { type: "netconf", netconf };
    }
    default: {
      const change = decodeNftChange(message);
      return change && { type: "nftables", ...change };
    }
  }
}
