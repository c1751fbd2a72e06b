// SPDX-License-Identifier: Apache-2.0

import type { Link } from "../../netlink/links.ts";
import { type Device, type DeviceStep, move, type Problem } from "./uplink-plan.ts";
import type { UplinkRecord } from "./uplink-record.ts";
import { isEmpty } from "./uplink-state.ts";

/** A port of the bridge that takes the place of a VLAN sub-interface. */
export interface VlanPort {
  readonly uuid: string;
  /** Absent if it cannot be read. */
  readonly record?: UplinkRecord;
  /** The error of ovs-vswitchd; empty if none. */
  readonly error: string;
}

/** The observed state of one VLAN sub-interface of the interface of an uplink. */
export interface ObservedVlan {
  readonly boot: string;
  readonly isUserspace: boolean;
  /** The sysctl rp_filter of all interfaces. */
  readonly filter: string;
  /** Its name, and its VLAN id. */
  readonly name: string;
  readonly id: number;
  readonly network: string;
  /** The VLAN sub-interface; undefined if no link has the name. */
  readonly vlan: Device | undefined;
  /** The interface that it is on. */
  readonly parent: Link | undefined;
  readonly port: VlanPort | undefined;
  /** The port's internal device. */
  readonly device: Device | undefined;
  /** Another interface with the port's name. */
  readonly occupant: string | undefined;
}

/** One change. */
export type VlanStep =
  | DeviceStep
  | { readonly do: "make-port" | "record"; readonly record: UplinkRecord }
  | { readonly do: "delete-port" }
  /** `link`: what the sub-interface is on. */
  | { readonly do: "create-link"; readonly link: Link; readonly record: UplinkRecord }
  | { readonly do: "delete-link"; readonly link: Link };

/** The result of planning. */
export type VlanOutcome =
  | { readonly step: VlanStep }
  | { readonly wait: string }
  | { readonly problem: Problem }
  /** Whether a port has taken the place of a sub-interface. */
  | { readonly done: { readonly isKept: boolean } };

/**
 * The next step that replaces a VLAN sub-interface by an internal port of the bridge with the id as its tag (`isWanted`), or restores it. Like `planUplink`, it is computed from the observed
 * state alone, so a daemon that starts after a crash at any step continues in either direction. What is to be restored is in the port's row (`external_ids:weft-uplink`), which is written first.
 *
 * The sub-interface is deleted when it has nothing left: the kernel gives frames with its id to it, before Open vSwitch sees them (`vlan_do_receive` in net/core/dev.c), also when it is down.
 */
export function planVlan(observed: ObservedVlan, isWanted: boolean): VlanOutcome {
  return isWanted ? keep(observed) : restore(observed);
}

function keep(observed: ObservedVlan): VlanOutcome {
  const { vlan, port, device } = observed;
  if (port === undefined) {
    if (vlan === undefined) return { done: { isKept: false } };
    const { name, occupant } = observed;
    if (occupant !== undefined) {
      const message = `the node has another interface ${occupant}, so no port can take the place of ${name} (preserveVlanInterfaces, vlanInterfaces)`;
      return { problem: { reason: "InterfaceInUse", message } };
    }
    return { step: { do: "make-port", record: { ...baseOf(observed, vlan), holder: vlan.link.index, ...vlan.state } } };
  }
  if (device === undefined) {
    // The sub-interface has everything until there is a device.
    if (port.error !== "") return { problem: { reason: "PortFailed", message: `Open vSwitch: ${port.error}` } };
    return { wait: `ovs-vswitchd has yet to make the device for ${observed.name}` };
  }
  // A userspace datapath brings the device down for that, and the kernel then removes IPv6 addresses and routes (`netdev_linux_set_etheraddr` in lib/netdev-linux.c).
  const { mac = "", holder } = port.record ?? {};
  if (mac !== "" && device.link.mac !== mac && holder !== device.link.index)
    return { wait: `ovs-vswitchd has yet to give the port for ${observed.name} the MAC ${mac}` };
  if (observed.isUserspace && device.leavesChecksums) return { step: { do: "checksum", link: device.link } };
  const moved = move(view(observed), device, vlan, baseOf(observed, vlan ?? device), {
    beforeRoutes: () => lenient(observed, vlan),
  });
  if (moved !== undefined) return moved;
  if (vlan !== undefined) return { step: { do: "delete-link", link: vlan.link } };
  const filter = port.record?.filter ?? device.filter;
  if (device.filter !== filter) return { step: { do: "filter", link: device.link, value: filter } };
  return { done: { isKept: true } };
}

function restore(observed: ObservedVlan): VlanOutcome {
  const { vlan, port, device, parent, boot } = observed;
  if (port === undefined) return { done: { isKept: false } };
  const { record } = port;
  // After a reboot the machine's own configuration applies.
  const isCurrent = record?.boot === boot;
  if (vlan === undefined) {
    const isNeeded = isCurrent && parent !== undefined;
    if (!isNeeded) return { step: { do: "delete-port" } };
    return { step: { do: "create-link", link: parent, record } };
  }
  const moved = move(view(observed), vlan, device, baseOf(observed, vlan), {
    beforeRoutes: () => lenient(observed, device),
  });
  if (moved !== undefined) return moved;
  const filter = isCurrent ? (record.filter ?? vlan.filter) : vlan.filter;
  if (vlan.filter !== filter) return { step: { do: "filter", link: vlan.link, value: filter } };
  return { step: { do: "delete-port" } };
}

/** Frames come to the sub-interface while routes lead by the other device, or the other way round: a strict check would drop them. */
function lenient({ vlan, filter }: ObservedVlan, from: Device | undefined): VlanOutcome | undefined {
  const value = filter === "0" ? "0" : "2";
  const isMoving = vlan !== undefined && from !== undefined && !isEmpty(from.state);
  return isMoving && vlan.filter !== value ? { step: { do: "filter", link: vlan.link, value } } : undefined;
}

function baseOf({ network, name, boot, port }: ObservedVlan, { link, filter }: Device) {
  const known = port?.record?.boot === boot ? port.record : undefined;
  const { mac = link.mac ?? "", mtu = link.mtu } = known ?? {};
  return { network, interface: name, mac, mtu, boot, filter: known?.filter ?? filter };
}

/** As `move` sees it: the port's row has the record that for an uplink is in the bridge's. */
function view({ boot, filter, device, port, name }: ObservedVlan) {
  const record = port?.record;
  const bridge = { uuid: port?.uuid ?? "", name, ...(record && { record }) };
  return { boot, filter, device, bridge };
}
