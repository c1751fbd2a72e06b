// SPDX-License-Identifier: Apache-2.0

import { ALL_VLANS, vlanInterface } from "../../contract/uplinks.ts";
import { NetlinkError } from "../../netlink/error.ts";
import type { Link } from "../../netlink/links.ts";
import { ROUTE_TABLE_MAIN } from "../../netlink/routes.ts";
import type { NodeKernel } from "../../node/kernel.ts";
import { UPLINK_TABLE, VLAN_LINK_GROUP } from "../../node/marks.ts";
import type { Nftables } from "../../node/nftables.ts";
import type { Operation } from "../../ovsdb/operation.ts";
import type { OvsView } from "../ovs/ovs-view.ts";
import { exchangedName, formerName, givenName, isExchanged, isOvsDevice, type UplinkKey } from "./uplink-names.ts";
import type { Device, DeviceStep, ObservedUplink, Problem, UplinkStep } from "./uplink-plan.ts";
import {
  attachPort,
  deleteBridge,
  detachPort,
  isUplinkBridge,
  makeBridge,
  mapNetwork,
  mappingOf,
  portNamed,
  uplinkBridges,
  writeRecordRow,
} from "./uplink-rows.ts";
import { observeState, routeSpec } from "./uplink-state.ts";

/** The interfaces to the node through which an uplink is observed and changed. */
export interface UplinkParts {
  readonly view: OvsView;
  readonly kernel: NodeKernel;
  readonly nft: Nftables;
  /** The boot ID of the running kernel: /proc/sys/kernel/random/boot_id. */
  readonly boot: string;
  uuid(): string;
}

/** The observed state of an uplink on the node. `hidden`: see {@link hiddenLinks}. */
export function observeUplink(
  parts: UplinkParts,
  key: UplinkKey,
  hidden: readonly string[],
  keptVlans: readonly string[] = [],
): ObservedUplink {
  const { view, kernel, boot } = parts;
  const bridge = uplinkBridges(view).find(({ name }) => name === key.bridge);
  const isUserspace = view.bridge()?.datapath_type === "netdev";
  const link = kernel.link(key.interface);
  // The kernel also finds a link by an alternative name.
  const nic = link?.name === key.interface ? link : undefined;
  const named = kernel.link(key.bridge);
  const face = named?.name === key.bridge ? named : undefined;
  const original = isExchanged(key) && nic === undefined && face && !isOvsDevice(face) ? face : undefined;
  const mac = bridge?.record?.mac;
  const renamed =
    nic !== undefined || mac === undefined
      ? undefined
      : kernel.links().find((other) => other.mac === mac && other.name !== key.bridge && other.kind !== "openvswitch");
  const device = (of: Link | undefined): Device | undefined => observeDevice(kernel, of, isUserspace);
  const port = portNamed(view, key.interface);
  const vlan = nic === undefined && original === undefined ? vlanInterface(givenName(key)) : undefined;
  const isRefusable = original !== undefined || (nic !== undefined && port?.bridge !== key.bridge);
  return {
    ...{ boot, isUserspace, bridge, port },
    filter: kernel.sysctl(rpFilterKey("all")) ?? "0",
    nic: device(nic),
    parent: vlan && kernel.link(vlan.parent),
    renamed: device(renamed),
    ...{ original, isExchanged: nic !== undefined && formerName(nic)?.name === key.bridge },
    occupant: face,
    device: bridge === undefined || original !== undefined ? undefined : device(face),
    isHidden: hidden.includes(nic?.name ?? key.interface),
    mapping: mappingOf(view, key.network),
    refusal: isRefusable
      ? refusalOf(parts, key, { nic, original, keptVlans }, isUserspace, bridge !== undefined)
      : undefined,
  };
}

/** A device of the node and what it has; undefined for none. */
export function observeDevice(kernel: NodeKernel, link: Link | undefined, isUserspace: boolean): Device | undefined {
  if (link === undefined) return undefined;
  return {
    link,
    leavesChecksums: isUserspace && kernel.checksum(link.name),
    filter: kernel.sysctl(rpFilterKey(link.name)) ?? "0",
    ...observeState(kernel, link.index),
  };
}

/** The interfaces whose packets the node's network stack does not process. */
export async function hiddenLinks({ nft }: Pick<UplinkParts, "nft">): Promise<readonly string[]> {
  return hiddenIn(await nft.list(UPLINK_TABLE));
}

/** Why an interface that is not yet a port of the bridge cannot become one. */
function refusalOf(
  { view, kernel }: UplinkParts,
  key: UplinkKey,
  {
    nic: present,
    original,
    keptVlans,
  }: { readonly nic: Link | undefined; readonly original: Link | undefined; readonly keptVlans: readonly string[] },
  isUserspace: boolean,
  hasBridge: boolean,
): Problem | undefined {
  const nic = original ?? present;
  if (nic === undefined) return undefined;
  const { bridge } = key;
  const { name } = nic;
  const unusable = (message: string): Problem => ({ reason: "InterfaceNotUsable", message });
  const inUse = (message: string): Problem => ({ reason: "InterfaceInUse", message });
  const foreign = original === undefined ? nameProblem(key, nic, kernel.link(bridge), hasBridge) : undefined;
  if (foreign !== undefined) return foreign;
  const found = portNamed(view, name);
  // After a reboot Open vSwitch's bridge and the interface have the same name until the interface gets its other one again.
  const isOwnDevice = original !== undefined && found?.bridge === bridge;
  const [row, port] = isOwnDevice ? [] : [view.interfaceNamed(name), found];
  if (nic.loopback) return unusable(`${name} is a loopback interface`);
  if (nic.mac === undefined) return unusable(`${name} has no MAC address: it is no Ethernet interface`);
  if (row !== undefined && row.type !== "" && row.type !== "system")
    return unusable(`${name} is a device of Open vSwitch`);
  if (port !== undefined) return inUse(`${name} is a port of bridge ${port.bridge} of Open vSwitch`);
  if (nic.master !== undefined) {
    const master = kernel.links().find(({ index }) => index === nic.master)?.name ?? `interface ${nic.master}`;
    return inUse(`${name} is a port of ${master}: use ${master} instead`);
  }
  const other = [...view.bridges()].find((candidate) => candidate.name === bridge);
  if (other !== undefined && !isUplinkBridge(other))
    return inUse(`another program has made bridge ${bridge} of Open vSwitch`);
  if (!hasBridge && original === undefined && kernel.link(bridge) !== undefined)
    return inUse(`the node has another interface ${bridge}`);
  const kept = keptLinks(kernel, givenName(key), nic, keptVlans);
  const upper = isUserspace ? upperOf(kernel, nic, kept) : undefined;
  if (upper !== undefined)
    return inUse(
      `interface ${upper} is on ${name}, and Open vSwitch without its kernel module would keep from it what arrives there`,
    );
  if (isUserspace && hasOnlyDefaultRoute(kernel, nic))
    return inUse(
      `${name} has the node's only default route, and Open vSwitch runs without its kernel module: the node could not be reached whenever Open vSwitch is restarted`,
    );
  return undefined;
}

/** Why the interface with the name that the ProviderNetwork's interface would get is another one. */
function nameProblem(key: UplinkKey, nic: Link, face: Link | undefined, hasBridge: boolean): Problem | undefined {
  // Kube-OVN's bridges tell it, and its interfaces have no mark.
  if (!isExchanged(key) || hasBridge || formerName(nic)?.name === key.bridge) return undefined;
  const { bridge, interface: name } = key;
  if (isOvsDevice(nic)) return { reason: "Waiting", message: `ovs-vswitchd has yet to delete the device ${name}` };
  if (face === undefined) return { reason: "InterfaceNotFound", message: `there is no interface ${bridge}` };
  return {
    reason: "InterfaceInUse",
    message: `the node has another interface ${name}: ${bridge} cannot get this name (exchangeLinkName)`,
  };
}

/** The VLAN sub-interfaces of an interface that a port is to replace. `given`: the interface's name in the ProviderNetwork. */
export function keptLinks(
  kernel: NodeKernel,
  given: string,
  { index }: Link,
  kept: readonly string[],
): readonly Link[] {
  if (kept.length === 0) return [];
  return kernel.links().filter(({ name, kind, peer, master, group }) => {
    if (kind !== "vlan" || peer !== index || master !== undefined || group === VLAN_LINK_GROUP) return false;
    const parsed = vlanInterface(name);
    return parsed !== undefined && (kept.includes(name) || (kept.includes(ALL_VLANS) && parsed.parent === given));
  });
}

/** A VLAN sub-interface or the like that is not replaced: with {@link hideScript} it would get nothing. */
function upperOf(kernel: NodeKernel, { index }: Link, kept: readonly Link[]): string | undefined {
  const isUpper = ({ name, kind, peer, peerNetnsId }: Link): boolean =>
    kind !== "veth" && peer === index && peerNetnsId === undefined && !kept.some((link) => link.name === name);
  return kernel.links().find(isUpper)?.name;
}

function hasOnlyDefaultRoute(kernel: NodeKernel, { index }: Link): boolean {
  const all = kernel
    .routes({ table: ROUTE_TABLE_MAIN })
    .filter(({ destination }) => /^(0\.0\.0\.0|::)\/0$/.test(destination));
  return ([4, 6] as const).some((family) => {
    const devices = all.filter((route) => route.family === family).map(({ device }) => device);
    return devices.includes(index) && devices.every((device) => device === index);
  });
}

/** Applies one step. */
export async function applyUplinkStep(
  parts: UplinkParts,
  key: UplinkKey,
  observed: ObservedUplink,
  step: UplinkStep,
): Promise<void> {
  const { view, kernel, nft } = parts;
  const { bridge, port } = observed;
  const uuid = (): string => parts.uuid();
  const transact = (operations: readonly Operation[]): Promise<unknown> => view.transact(operations);
  switch (step.do) {
    case "make-bridge":
      return void (await transact(makeBridge(view, key, observed.isUserspace, step.record, uuid)));
    case "record":
      return void (bridge && (await transact(writeRecordRow(bridge, step.record))));
    case "attach":
      return void (bridge && (await transact(attachPort(bridge, key.interface, uuid))));
    case "detach":
      return void (port && (await transact(detachPort(port))));
    case "delete-bridge":
      return void (bridge && (await transact(deleteBridge(view, bridge))));
    case "map":
      return void (await transact(mapNetwork(view, key.network, key.bridge, macOf(uuid()))));
    case "unmap":
      return void (await transact(mapNetwork(view, key.network, undefined, "")));
    case "hide":
    case "show": {
      const hidden = new Set((await hiddenLinks(parts)).filter((name) => kernel.link(name) !== undefined));
      if (step.do === "hide") hidden.add(key.interface);
      else for (const name of [observed.nic?.link.name, key.interface]) hidden.delete(name ?? "");
      return await nft.apply(hideScript([...hidden].sort()));
    }
    case "exchange":
      return rename(kernel, step.link, exchangedName(key, step.link));
    case "exchange-back":
      return rename(kernel, step.link, formerName(step.link) ?? {});
    case "create-vlan":
      // The group is set by the same request, so no daemon ever finds one without it.
      return kernel.createLink({
        ...{ name: givenName(key), kind: "vlan", parent: step.link.index, group: VLAN_LINK_GROUP, up: true },
        vlan: vlanInterface(givenName(key))?.id ?? 0,
      });
    default:
      return applyDeviceStep(kernel, step);
  }
}

/** Applies a step that concerns one device. */
export function applyDeviceStep(kernel: NodeKernel, step: DeviceStep): void {
  const { index, name } = step.link;
  switch (step.do) {
    case "up":
      kernel.setLink(index, { up: true });
      break;
    case "checksum":
      kernel.setChecksum(name, false);
      break;
    case "filter":
      kernel.setSysctl(rpFilterKey(name), step.value);
      break;
    case "address":
      // Duplicate address detection would find the other device, which has the address at the same time.
      kernel.setAddress({ index, ...step.address, noDad: true });
      break;
    case "delete-address":
      kernel.deleteAddress({ index, ...step.address });
      break;
    case "route":
      kernel.setRoute(routeSpec(step.route, index));
      break;
    case "delete-route":
      kernel.deleteRoute(routeSpec(step.route, index));
      break;
    case "learn":
      for (const neighbour of step.neighbours) kernel.setNeighbour({ index, ...neighbour, state: "reachable" });
      break;
    case "neighbour":
      kernel.setNeighbour({ index, ...step.neighbour });
      break;
    case "delete-neighbour":
      kernel.deleteNeighbour({ index, address: step.neighbour.address });
  }
}

/** Renames an interface that is up, so it keeps its addresses and routes. @throws NetlinkError `busy` of kernels before Linux 6.2, which cannot. */
function rename(kernel: NodeKernel, { index, name }: Link, change: { name?: string; alias?: string }): void {
  try {
    kernel.setLink(index, change);
  } catch (error) {
    if (!(error instanceof NetlinkError) || error.code !== "busy") throw error;
    const message = `${name} cannot be renamed to ${change.name} while it is up: this requires Linux 6.2 (exchangeLinkName)`;
    throw new NetlinkError("busy", "RTM_SETLINK", message);
  }
}

/** Documentation/networking/ip-sysctl.rst in Linux: whether sources are checked, 1 strictly, 2 loosely. */
export function rpFilterKey(name: string): readonly string[] {
  return ["ipv4", "conf", name, "rp_filter"];
}

/** A locally administered MAC address (IEEE 802), which no vendor assigns. */
function macOf(uuid: string): string {
  return `0a:${(uuid.replaceAll("-", "").slice(0, 10).match(/../g) ?? []).join(":")}`;
}

/** The same, read from a listing of the table. */
function hiddenIn(listing: string): readonly string[] {
  return [...listing.matchAll(/device "?([^"\s;]+)"?/g)].flatMap(([, name]) => name ?? []);
}

/**
 * With a userspace datapath Open vSwitch reads copies of received packets. The kernel would process the originals as well and answer for the bridge's addresses. The copies are made
 * before this hook.
 */
function hideScript(names: readonly string[]): string {
  const chains = names.flatMap((name, i) => [
    `  chain uplink-${i} {`,
    `    type filter hook ingress device "${name}" priority -500; policy drop;`,
    "  }",
  ]);
  const table = names.length === 0 ? [] : [`table ${UPLINK_TABLE} {`, ...chains, "}"];
  return [`table ${UPLINK_TABLE} {}`, `delete table ${UPLINK_TABLE}`, ...table, ""].join("\n");
}
