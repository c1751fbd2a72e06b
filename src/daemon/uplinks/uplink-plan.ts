// SPDX-License-Identifier: Apache-2.0

import { samePlain } from "../../collections/plain.ts";
import type { Link } from "../../netlink/links.ts";
import { givenName, isExchanged, isOvsDevice, type UplinkKey } from "./uplink-names.ts";
import {
  NO_STATE,
  type UplinkAddress,
  type UplinkNeighbour,
  type UplinkRecord,
  type UplinkRoute,
  type UplinkState,
} from "./uplink-record.ts";
import { isDirect, isEmpty, type ObservedState, union, without } from "./uplink-state.ts";

/** The maximum number of neighbour entries that are copied to the new device; the kernel resolves the others again. */
const MOST_LEARNED = 256;

/** A device of the node and its state. */
export interface Device extends ObservedState {
  readonly link: Link;
  /** Transmit checksum offload is on; a userspace datapath does not compute these checksums. */
  readonly leavesChecksums: boolean;
  /** Its sysctl rp_filter. */
  readonly filter: string;
}

/** A bridge of Open vSwitch for a network outside. */
export interface UplinkBridge {
  readonly uuid: string;
  readonly name: string;
  /** Absent if it cannot be read, or if Kube-OVN created the bridge. */
  readonly record?: UplinkRecord;
}

/** A port of Open vSwitch with the name of the interface. */
export interface UplinkPort {
  readonly bridge: string;
  readonly bridgeUuid: string;
  readonly uuid: string;
  /** Whether ovs-vswitchd has opened the interface. */
  readonly isOpen: boolean;
  /** The error of ovs-vswitchd; empty if none. */
  readonly error: string;
}

/** The observed state of one network on the node. */
export interface ObservedUplink {
  readonly boot: string;
  readonly isUserspace: boolean;
  /** The sysctl rp_filter of all interfaces: the larger one of it and the device's own counts. */
  readonly filter: string;
  /** The interface; undefined if no interface has that name. */
  readonly nic: Device | undefined;
  /** If no interface has the name, and it is that of a VLAN sub-interface: the interface that it would be on. */
  readonly parent: Link | undefined;
  /** Where names are exchanged: the interface, which still has its former name. */
  readonly original: Link | undefined;
  /** The interface has exchanged its name with the bridge; it does not say so if Kube-OVN renamed it. */
  readonly isExchanged: boolean;
  /** Any interface with the bridge's name. */
  readonly occupant: Link | undefined;
  /** If no interface has the name: an interface of another name with the MAC of the record. */
  readonly renamed: Device | undefined;
  /** The bridge's internal device. ovs-vswitchd creates it; with the userspace datapath the device disappears when ovs-vswitchd exits. */
  readonly device: Device | undefined;
  readonly bridge: UplinkBridge | undefined;
  readonly port: UplinkPort | undefined;
  /** Whether the kernel's stack ignores packets received on the interface (userspace datapath). */
  readonly isHidden: boolean;
  /** The bridge of the network in `ovn-bridge-mappings`. */
  readonly mapping: string | undefined;
  /** If the interface is not yet a port of the bridge: why it cannot become one. */
  readonly refusal: Problem | undefined;
}

/** Why a node is not connected. */
export interface Problem {
  readonly reason: string;
  readonly message: string;
}

/** The desired connection of a node to a network. */
export interface WantedUplink extends UplinkKey {
  /** The interface is a VLAN sub-interface, which is created if there is none. */
  readonly createsVlan?: boolean;
  /**
   * The VLAN sub-interfaces of the interface that a port of the bridge replaces, by name; `ALL_VLANS`: each that is called `<interface>.<VLAN id>`. Absent: not known, so those that
   * are replaced stay so.
   */
  readonly keptVlans?: readonly string[];
}

/** A change of what one device has. */
export type DeviceStep =
  | { readonly do: "up" | "checksum"; readonly link: Link }
  | { readonly do: "filter"; readonly link: Link; readonly value: string }
  | { readonly do: "learn"; readonly link: Link; readonly neighbours: readonly UplinkNeighbour[] }
  | { readonly do: "address" | "delete-address"; readonly link: Link; readonly address: UplinkAddress }
  | { readonly do: "route" | "delete-route"; readonly link: Link; readonly route: UplinkRoute }
  | { readonly do: "neighbour" | "delete-neighbour"; readonly link: Link; readonly neighbour: UplinkNeighbour };

/** One change. Each is atomic, and the node is reachable after each. */
export type UplinkStep =
  | DeviceStep
  | { readonly do: "make-bridge"; readonly record: UplinkRecord }
  | { readonly do: "record"; readonly record: UplinkRecord }
  | { readonly do: "attach" | "detach" | "map" | "unmap" | "delete-bridge" | "hide" | "show" }
  /** Interface and bridge exchange their names, or the interface gets its own back. The kernel keeps everything that it has. */
  | { readonly do: "exchange" | "exchange-back"; readonly link: Link }
  /** `link`: what the VLAN sub-interface is on. */
  | { readonly do: "create-vlan"; readonly link: Link };

/** The result of planning. */
export type UplinkOutcome =
  | { readonly step: UplinkStep }
  /** The next step depends on an event. */
  | { readonly wait: string }
  | { readonly problem: Problem }
  | { readonly done: { readonly interface: string; readonly mtu: number; readonly vlans?: true } }
  /** The uplink is removed completely. */
  | { readonly gone: true };

/**
 * The next step that connects a node to a network, or disconnects it (`wanted` undefined). It is computed again after each step and each event from the observed state alone, so a daemon
 * that starts after a crash at any step continues from there, in either direction.
 *
 * Addresses and routes are on the bridge's device if it exists and the interface is its port, otherwise on the interface. They are added to the new device before they are removed from
 * the old one: a route changes its device in one request, an address is on both devices for a short time.
 */
export function planUplink(observed: ObservedUplink, wanted: WantedUplink | undefined): UplinkOutcome {
  const { bridge } = observed;
  const isOther = bridge?.record !== undefined && wanted !== undefined && bridge.record.interface !== wanted.interface;
  if (isOther) return { wait: `${bridge.record?.interface} is still a port of ${bridge.name}` };
  return wanted === undefined ? release(observed) : take(observed, wanted);
}

function take(observed: ObservedUplink, wanted: WantedUplink): UplinkOutcome {
  const { bridge, nic, device, port, boot } = observed;
  const isOurs = port !== undefined && port.bridge === wanted.bridge;
  const given = givenName(wanted);
  if (nic === undefined && observed.original !== undefined)
    return observed.refusal === undefined
      ? { step: { do: "exchange", link: observed.original } }
      : { problem: observed.refusal };
  if (nic === undefined) {
    // The node keeps its addresses: on the renamed interface, or on the bridge in case the interface comes back.
    const moved = observed.renamed === undefined ? undefined : release(observed);
    if (moved !== undefined && "step" in moved) return moved;
    if (wanted.createsVlan && observed.parent !== undefined)
      return { step: { do: "create-vlan", link: observed.parent } };
    return { problem: { reason: "InterfaceNotFound", message: `there is no interface ${given}` } };
  }
  if (!isOurs && observed.refusal !== undefined) {
    // The remains of an earlier attempt are removed.
    const undone = release(observed);
    return "step" in undone ? undone : { problem: observed.refusal };
  }
  // Kube-OVN has renamed it.
  if (isExchanged(wanted) && !observed.isExchanged) return { step: { do: "exchange", link: nic.link } };
  const { mtu } = nic.link;
  const mac = nic.link.mac ?? "";
  const base = { network: wanted.network, interface: wanted.interface, mac, mtu, boot };
  if (bridge === undefined)
    return { step: { do: "make-bridge", record: { ...base, holder: nic.link.index, ...nic.state } } };
  const known = usable(observed);
  if (known !== undefined && (known.mac !== mac || known.mtu !== mtu))
    return { step: { do: "record", record: { ...known, mac, mtu } } };
  if (device === undefined || (isOurs && port.error !== "")) {
    const moved = move(observed, nic, device, base, shown(observed));
    if (moved !== undefined) return moved;
    if (device === undefined) return { wait: `ovs-vswitchd has yet to make the device ${wanted.bridge}` };
    return { problem: { reason: "PortFailed", message: `Open vSwitch: ${port?.error ?? ""}` } };
  }
  if (device.link.mac !== mac) return { wait: `ovs-vswitchd has yet to give ${wanted.bridge} the MAC ${mac}` };
  const attached = (): UplinkOutcome | undefined => {
    if (!isOurs) return { step: { do: "attach" } };
    if (!port.isOpen) return { wait: `ovs-vswitchd has yet to open ${wanted.interface}` };
    if (!nic.link.up) return { step: { do: "up", link: nic.link } };
    if (!observed.isUserspace) return undefined;
    for (const { link, leavesChecksums } of [device, nic])
      if (leavesChecksums) return { step: { do: "checksum", link } };
    return observed.isHidden ? undefined : { step: { do: "hide" } };
  };
  const moved = move(observed, device, nic, base, { beforeRoutes: attached });
  if (moved !== undefined) return moved;
  if (device.filter !== nic.filter) return { step: { do: "filter", link: device.link, value: nic.filter } };
  if (observed.mapping !== wanted.bridge) return { step: { do: "map" } };
  return { done: { interface: given, mtu } };
}

/** Moves the state of the bridge back to the interface and deletes the bridge. */
function release(observed: ObservedUplink): UplinkOutcome {
  const { bridge, device, port, boot } = observed;
  const nic = observed.nic ?? observed.renamed;
  if (bridge === undefined) return giveNameBack(observed);
  if (observed.mapping === bridge.name) return { step: { do: "unmap" } };
  const isOurs = port !== undefined && port.bridge === bridge.name;
  const last: UplinkOutcome = { step: { do: isOurs ? "detach" : "delete-bridge" } };
  if (nic === undefined) return last;
  const { name, mtu } = nic.link;
  const base = { network: bridge.record?.network ?? "", interface: name, mac: nic.link.mac ?? "", mtu, boot };
  // The interface is detached last: as long as a route uses the bridge, its packets must leave by the interface.
  return move(observed, nic, device, base, shown(observed)) ?? last;
}

/** The node's stack processes packets of the interface again before it has the addresses. */
function shown({ isHidden }: ObservedUplink): Between<UplinkOutcome> {
  return { afterRecord: () => (isHidden ? { step: { do: "show" } } : undefined) };
}

/** The interface keeps what it has, so the node stays reachable while it waits for its name. */
function giveNameBack({ nic, isExchanged: isRenamed, occupant }: ObservedUplink): UplinkOutcome {
  if (nic === undefined || !isRenamed) return { gone: true };
  if (occupant === undefined) return { step: { do: "exchange-back", link: nic.link } };
  const who = isOvsDevice(occupant) ? "ovs-vswitchd has yet to delete the device" : "the node has another interface";
  return { wait: `${who} ${occupant.name}, whose name ${nic.link.name} must get back` };
}

/** What {@link move} reads of an uplink. */
type Moving = Pick<ObservedUplink, "boot" | "filter" | "device" | "bridge">;

type MoveOutcome =
  | { readonly step: DeviceStep | { readonly do: "record"; readonly record: UplinkRecord } }
  | { readonly wait: string };

/** Steps of the caller in between: after the record has been written, and when the addresses are on both devices and before a route changes its device. */
interface Between<O> {
  readonly afterRecord?: () => O | undefined;
  readonly beforeRoutes?: () => O | undefined;
}

/** The next step that moves the state of `from` to `to`; undefined if it has been moved. `base`: the record's other fields. */
export function move<O = never>(
  observed: Moving,
  to: Device,
  from: Device | undefined,
  base: Omit<UplinkRecord, "holder" | keyof UplinkState>,
  between: Between<O> = {},
): MoveOutcome | O | undefined {
  const known = usable(observed);
  const left = from?.state ?? NO_STATE;
  // If nothing is being moved, the device's state counts, because an administrator may have changed it; during a move, or if the device is another one, the record counts.
  const isSettled = known?.holder === to.link.index || (from !== undefined && known?.holder === from.link.index);
  const all = union(isSettled ? to.state : union(known ?? NO_STATE, to.state), left);
  const missing = without(all, to.state);
  const isMoving = !isEmpty(missing) || !isEmpty(left);
  if (isMoving && (known === undefined || isSettled || !isEmpty(without(all, known))))
    return { step: { do: "record", record: { ...base, holder: 0, ...all } } };
  const second = between.afterRecord?.();
  if (second !== undefined) return second;
  // Packets come to the bridge while routes lead by the interface: a strict check would drop them, and without addresses a loose one too.
  const lenient = observed.filter === "0" ? "0" : "2";
  if (isMoving && observed.device !== undefined && observed.device.filter !== lenient)
    return { step: { do: "filter", link: observed.device.link, value: lenient } };
  if (!to.link.up) return { step: { do: "up", link: to.link } };
  const [address] = missing.addresses;
  if (address !== undefined) return { step: { do: "address", link: to.link, address } };
  const [pending] = isEmpty(left) ? [] : to.pending;
  if (pending !== undefined) return { wait: `the kernel has yet to set up ${pending} on ${to.link.name}` };
  const third = between.beforeRoutes?.();
  if (third !== undefined) return third;
  // Replies to new neighbour requests arrive at the other device as long as routes and port disagree.
  const learned = isEmpty(left) ? [] : notLearned(from?.learned ?? [], to);
  if (learned.length > 0) return { step: { do: "learn", link: to.link, neighbours: learned } };
  // The kernel accepts a gateway only where a route leads to it.
  const route = missing.routes.find(isDirect) ?? missing.routes[0];
  if (route !== undefined) return { step: { do: "route", link: to.link, route } };
  const [neighbour] = missing.neighbours;
  if (neighbour !== undefined) return { step: { do: "neighbour", link: to.link, neighbour } };
  const rest = from === undefined ? undefined : leave(from);
  if (rest !== undefined) return { step: rest };
  const settled = { ...base, holder: to.link.index, ...to.state };
  return samePlain(known, settled) ? undefined : { step: { do: "record", record: settled } };
}

function notLearned(learned: readonly UplinkNeighbour[], { learned: has, state }: Device): readonly UplinkNeighbour[] {
  const known = new Set([...has, ...state.neighbours].map(({ address }) => address));
  return learned.filter(({ address }) => !known.has(address)).slice(0, MOST_LEARNED);
}

/** The next step that removes state from a device; undefined if nothing is left. */
function leave({ link, state: { addresses, routes, neighbours } }: Device): DeviceStep | undefined {
  const [route] = routes;
  if (route !== undefined) return { do: "delete-route", link, route };
  const [neighbour] = neighbours;
  if (neighbour !== undefined) return { do: "delete-neighbour", link, neighbour };
  // The last one first: with the primary address of a prefix the kernel would delete the secondary ones.
  const address = addresses.at(-1);
  return address === undefined ? undefined : { do: "delete-address", link, address };
}

/** The record, unless it was written before a reboot. */
function usable({ bridge, boot }: Moving): UplinkRecord | undefined {
  return bridge?.record?.boot === boot ? bridge.record : undefined;
}
