// SPDX-License-Identifier: Apache-2.0

import { isObject } from "../collections/plain.ts";
import { type Fields, invalidField } from "./document.ts";

/** Network outside the cluster to which a node must be connected → the interface. */
export type NodeUplinks = Readonly<Record<string, string>>;

/** A VLAN sub-interface by its name: the interface that it is on, and its VLAN id. */
export interface VlanInterface {
  readonly parent: string;
  readonly id: number;
}

/** Reads the name `<interface>.<VLAN id>`; undefined for another one. Ids 0 and 4095 are reserved (IEEE 802.1Q-2022 §9.6). */
export function vlanInterface(name: string): VlanInterface | undefined {
  const [, parent, text] = /^(.+)\.(\d{1,4})$/.exec(name) ?? [];
  const id = Number(text);
  return parent !== undefined && id >= 1 && id <= 4094 ? { parent, id } : undefined;
}

/** In a list of VLAN sub-interfaces: each that is called `<interface>.<VLAN id>`. */
export const ALL_VLANS = "*";

/** Network outside the cluster → the VLAN sub-interfaces that ports of its bridge replace, by name, or {@link ALL_VLANS}. */
export type KeptVlans = Readonly<Record<string, readonly string[]>>;

/** Reads the field `keptVlans` of a node's contract; absent if there is none. @throws ContractError */
export function readKeptVlans(value: unknown): { readonly keptVlans?: KeptVlans } {
  if (value === undefined) return {};
  const wanted = "an object of lists of interfaces by the names of networks";
  if (!isObject(value)) throw invalidField("keptVlans", wanted);
  const entries = Object.entries(value).map(([network, names]) => {
    const isList = Array.isArray(names) && names.every((name: unknown) => typeof name === "string");
    if (!isList) throw invalidField("keptVlans", wanted);
    return [network, names] as const;
  });
  return { keptVlans: Object.fromEntries(entries) };
}

/** The state of one network on a node, reported by its daemon: connected, with the interface and its MTU in bytes (`vlans`: ports replace VLAN sub-interfaces of it), or why it is not. */
export type UplinkReport =
  | { readonly interface: string; readonly mtu: number; readonly vlans?: true }
  | { readonly reason: string; readonly message: string };

/** Longer texts are not read: more than so many networks, none of them connected, need. */
const MAX_TEXT = 65_536;
/** The maximum number of networks of a node. */
const MAX_NETWORKS = 64;
/** IFNAMSIZ, dev_valid_name in net/core/dev.c. */
const INTERFACE = /^[^/\s]{1,15}$/;

/**
 * The field `uplinks` of a node's contract. What could not be read there is left out, for it would make the whole contract malformed: names that no interface can have, and networks beyond
 * the number of those that a node may have.
 */
export function uplinksText(wanted: readonly (readonly [network: string, name: string])[]): NodeUplinks {
  return Object.fromEntries(wanted.filter(([, name]) => INTERFACE.test(name)).slice(0, MAX_NETWORKS));
}

/** Reads the field `uplinks` of a node's contract. @throws ContractError */
export function readUplinks(value: unknown): NodeUplinks {
  const wanted = "an object of interfaces by the names of networks";
  if (!isObject(value)) throw invalidField("uplinks", wanted);
  const entries = Object.entries(value);
  if (entries.length > MAX_NETWORKS) throw invalidField("uplinks", `${wanted}, ${MAX_NETWORKS} at most`);
  return Object.fromEntries(
    entries.map(([network, name]) => {
      if (typeof name !== "string" || !INTERFACE.test(name)) throw invalidField("uplinks", wanted);
      return [network, name];
    }),
  );
}

/** Reads a field of a node's contract that lists some of its networks; absent if there is none. @throws ContractError */
export function readUplinkNames(
  fields: Fields,
  field: "vlanUplinks" | "exchangedUplinks",
): {
  readonly [K in typeof field]?: readonly string[];
} {
  const value = fields[field];
  if (value === undefined) return {};
  const isList = Array.isArray(value) && value.every((name: unknown) => typeof name === "string");
  if (!isList) throw invalidField(field, "a list of names of networks");
  return { [field]: value };
}

/** The text of a node's annotation with the states of all networks. Equal states give equal texts. */
export function writeUplinkStates(states: ReadonlyMap<string, UplinkReport>): string {
  return JSON.stringify(Object.fromEntries([...states].sort(([a], [b]) => (a < b ? -1 : 1))));
}

/** The MTU of a node's interface to a network by its reported states, in bytes; undefined if the node is not connected to it. */
export function uplinkMtu(text: string | undefined, network: string): number | undefined {
  const state = readUplinkState(text, network);
  return state !== undefined && "mtu" in state ? state.mtu : undefined;
}

/** The reported state of one network; undefined if there is none or it cannot be read. */
export function readUplinkState(text: string | undefined, network: string): UplinkReport | undefined {
  if (text === undefined || text.length > MAX_TEXT) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const state = isObject(value) && Object.hasOwn(value, network) ? value[network] : undefined;
  if (!isObject(state)) return undefined;
  const { interface: name, mtu, vlans, reason, message } = state;
  if (typeof name === "string" && typeof mtu === "number")
    return { interface: name, mtu, ...(vlans === true && { vlans }) };
  if (typeof reason === "string" && typeof message === "string") return { reason, message };
  return undefined;
}
