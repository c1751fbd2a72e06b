// SPDX-License-Identifier: Apache-2.0

import type { Link } from "../../netlink/links.ts";

/** Identifies an uplink: the names of its interface and its bridge while the node is connected. */
export interface UplinkKey {
  readonly network: string;
  readonly interface: string;
  readonly bridge: string;
}

/**
 * Begins the alias (IFLA_IFALIAS) of an interface that has exchanged its name with the bridge; the former name follows, and after a space the former alias. The kernel sets name and alias by
 * one request, and both end with a reboot. It does not begin with `weft:`, because such links are Weft's own and are deleted.
 */
const EXCHANGED = "weft-uplink: ";

/** Name of the bridge to a network, as in Kube-OVN. */
export function uplinkBridgeName(network: string): string {
  return `br-${network}`;
}

/** The names of an uplink. With `isExchanged` (`exchangeLinkName`) the bridge has the interface's name, and the interface that of the bridge. */
export function uplinkKey(network: string, name: string, isExchanged: boolean): UplinkKey {
  const bridge = uplinkBridgeName(network);
  return isExchanged ? { network, interface: bridge, bridge: name } : { network, interface: name, bridge };
}

/** Whether interface and bridge exchange their names. */
export function isExchanged({ network, bridge }: UplinkKey): boolean {
  return bridge !== uplinkBridgeName(network);
}

/** The name of the interface in the ProviderNetwork. */
export function givenName(key: UplinkKey): string {
  return isExchanged(key) ? key.bridge : key.interface;
}

/** The new name and alias of an interface that exchanges its name, for one request. */
export function exchangedName(key: UplinkKey, { alias }: Pick<Link, "alias">): { name: string; alias: string } {
  return { name: key.interface, alias: `${EXCHANGED}${key.bridge}${alias === undefined ? "" : ` ${alias}`}` };
}

/** The former name and alias of an interface that has exchanged its name; undefined for any other one. */
export function formerName({ alias }: Pick<Link, "alias">): { name: string; alias: string } | undefined {
  if (alias?.startsWith(EXCHANGED) !== true) return undefined;
  const [name = "", ...rest] = alias.slice(EXCHANGED.length).split(" ");
  return { name, alias: rest.join(" ") };
}

/** The uplinks whose interface has exchanged its name. */
export function exchangedUplinks(links: readonly Link[]): readonly UplinkKey[] {
  const prefix = uplinkBridgeName("");
  return links.flatMap((link) => {
    const former = formerName(link);
    if (former === undefined || !link.name.startsWith(prefix)) return [];
    return [{ network: link.name.slice(prefix.length), interface: link.name, bridge: former.name }];
  });
}

/** Whether Open vSwitch has created the device: its kernel module, or its userspace datapath. */
export function isOvsDevice({ kind }: Pick<Link, "kind">): boolean {
  return kind === "openvswitch" || kind === "tun";
}
