// SPDX-License-Identifier: Apache-2.0

import { isObject } from "../../collections/plain.ts";
import type { Scope } from "../../netlink/routes.ts";

/** An address of an interface: the fields that are moved. Lifetimes are not kept: no DHCP client or router advertisement renews them on a bridge. */
export interface UplinkAddress {
  readonly address: string;
  readonly prefix: number;
  readonly peer?: string;
  readonly broadcast?: string;
  readonly scope?: Scope;
  readonly noPrefixRoute?: boolean;
}

/** One of several next hops; `device` 0 is the interface. */
export interface UplinkHop {
  readonly gateway?: string;
  readonly device: number;
  readonly weight: number;
  readonly onlink?: boolean;
}

/** A route through an interface. */
export interface UplinkRoute {
  readonly destination: string;
  readonly table: number;
  readonly metric: number;
  readonly protocol: number;
  readonly scope?: Scope;
  readonly gateway?: string;
  readonly onlink?: boolean;
  readonly source?: string;
  readonly mtu?: number;
  readonly nextHops?: readonly UplinkHop[];
}

/** A neighbour that an administrator has set. */
export interface UplinkNeighbour {
  readonly address: string;
  readonly mac: string;
}

/** The state of an interface for the node's own traffic, which moves to the bridge and back. */
export interface UplinkState {
  readonly addresses: readonly UplinkAddress[];
  readonly routes: readonly UplinkRoute[];
  readonly neighbours: readonly UplinkNeighbour[];
}

/** The empty state. */
export const NO_STATE: UplinkState = { addresses: [], routes: [], neighbours: [] };

/**
 * The recorded state of an interface that is, was, or will become a port of a bridge. It is stored in the bridge's row (`external_ids:weft-uplink`) and written
 * before anything is moved: a daemon that is killed at any step finds there the state that would otherwise be lost.
 */
export interface UplinkRecord extends UplinkState {
  /** Name of the ProviderNetwork. */
  readonly network: string;
  readonly interface: string;
  readonly mac: string;
  /** Bytes. */
  readonly mtu: number;
  /** The boot ID of the kernel (/proc/sys/kernel/random/boot_id): after a reboot the machine's own configuration counts. */
  readonly boot: string;
  /** ifindex of the device with the state: the interface or the bridge. 0: the state is being moved. */
  readonly holder: number;
  /** Of a VLAN sub-interface: its own sysctl rp_filter. */
  readonly filter?: string;
}

/** Key of `external_ids` of a Bridge. */
export const RECORD_KEY = "weft-uplink";

/** The record as text for the row. */
export function writeRecord(record: UplinkRecord): string {
  return JSON.stringify(record);
}

/** Reads what {@link writeRecord} has written; undefined if it is something else. */
export function readRecord(text: string | undefined): UplinkRecord | undefined {
  let value: unknown;
  try {
    value = text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
  return isRecord(value) ? value : undefined;
}

function isRecord(value: unknown): value is UplinkRecord {
  if (!isObject(value)) return false;
  const { network, interface: name, mac, mtu, boot, holder, addresses, routes, neighbours } = value;
  return (
    [network, name, mac, boot].every((text) => typeof text === "string") &&
    [mtu, holder].every((number) => Number.isInteger(number)) &&
    isList(addresses, { address: "string", prefix: "number" }) &&
    isList(routes, { destination: "string", table: "number", metric: "number", protocol: "number" }) &&
    isList(neighbours, { address: "string", mac: "string" })
  );
}

function isList(value: unknown, fields: Readonly<Record<string, "string" | "number">>): boolean {
  return (
    Array.isArray(value) &&
    value.every(
      (item: unknown) => isObject(item) && Object.entries(fields).every(([field, type]) => typeof item[field] === type),
    )
  );
}
