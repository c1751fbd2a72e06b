// SPDX-License-Identifier: Apache-2.0

import { type Family, parseIp } from "../net/address.ts";
import { formatDual } from "../net/dual.ts";
import { macFromNumber, parseMacNumber } from "../net/mac.ts";
import type { Offset } from "./offset.ts";
import { type Refusal, refuse } from "./refusal.ts";
import { LeaseRecord, type SubnetState } from "./subnet.ts";

/** The lease of an owner as recorded in an IP object, a Pod's annotations, or a northbound row. */
export interface IpRecord {
  readonly owner: string;
  readonly subnet: string;
  /** Empty means absent: IP objects have empty fields. */
  readonly v4?: string | undefined;
  readonly v6?: string | undefined;
  readonly mac?: string | undefined;
}

/**
 * Restores an owner's lease from a record, except for what another owner holds. An address that could not be allocated now (outside the CIDR, the
 * gateway, a node's) is restored too, so that it is not allocated to another owner, and reported in `conflicts`.
 */
export function hold(
  subnet: SubnetState,
  record: IpRecord,
  existing: LeaseRecord | undefined,
): { lease: LeaseRecord | undefined; conflicts: Refusal[] } {
  const conflicts: Refusal[] = [];
  if (existing !== undefined && existing.subnet !== subnet) {
    const message = `"${record.owner}" is recorded in subnet "${subnet.name}" and in subnet "${existing.subnet.name}"; the latter is used.`;
    conflicts.push(
      refuse("HoldsAnother", message, { subnet: existing.subnet.name, value: subnet.name, holder: record.owner }),
    );
    return { lease: existing, conflicts };
  }
  const lease = existing ?? new LeaseRecord(record.owner, subnet, undefined, undefined, undefined);
  lease.v4 = holdAddress(subnet, 4, record.v4, lease, lease.v4, conflicts);
  lease.v6 = holdAddress(subnet, 6, record.v6, lease, lease.v6, conflicts);
  lease.mac = holdMac(subnet, record.mac, lease, conflicts);
  const empty = lease.v4 === undefined && lease.v6 === undefined && lease.mac === undefined;
  return { lease: empty && existing === undefined ? undefined : lease, conflicts };
}

function holdAddress(
  subnet: SubnetState,
  family: Family,
  text: string | undefined,
  lease: LeaseRecord,
  held: Offset | undefined,
  conflicts: Refusal[],
): Offset | undefined {
  if (text === undefined || text === "") return held;
  const { owner } = lease;
  // The fast path without a bigint, for nearly every record.
  let space = subnet.space(family);
  let at = space?.parse(text);
  if (space === undefined || at === undefined) {
    const ip = parseIp(text);
    if (ip?.family !== family) {
      const message = `"${owner}" is recorded with "${text}", which is not an IPv${family} address.`;
      conflicts.push(refuse("AddressMalformed", message, { subnet: subnet.name, value: text, holder: owner }));
      return held;
    }
    space = subnet.spaceFor(ip);
    at = space.offset(ip);
  }
  if (held === at) return held;
  if (held !== undefined) {
    const message = `"${owner}" is recorded with ${text} and with ${space.text(held)} in subnet "${subnet.name}"; the latter is used.`;
    conflicts.push(refuse("HoldsAnother", message, { subnet: subnet.name, value: text, holder: owner }));
    return held;
  }
  const holder = space.holder(at);
  if (holder !== undefined) {
    const message = `${text} in subnet "${subnet.name}" is recorded for "${owner}" and for "${holder.owner}"; "${holder.owner}" keeps it, and "${owner}" must get another.`;
    conflicts.push(refuse("AddressInUse", message, { subnet: subnet.name, value: text, holder: holder.owner }));
    return undefined;
  }
  space.take(at, lease);
  noteOddPlace(subnet, family, at, owner, conflicts);
  return at;
}

function noteOddPlace(subnet: SubnetState, family: Family, at: Offset, owner: string, conflicts: Refusal[]): void {
  const space = subnet.space(family);
  const zone = space?.zoneOf(at);
  if (space === undefined || zone?.kind === "auto" || zone?.kind === "excluded") return;
  const text = space.text(at);
  const about = { subnet: subnet.name, value: text, holder: owner };
  const but = `"${owner}" holds ${text} in subnet "${subnet.name}" and keeps it, but`;
  if (zone === undefined) {
    const message = `${but} it is not in ${formatDual(subnet.config.cidr) || "the subnet, which has no addresses"}.`;
    conflicts.push(refuse("AddressOutOfSubnet", message, about));
  } else if (zone.kind === "gateway") {
    conflicts.push(refuse("AddressIsGateway", `${but} it is the gateway.`, about));
  } else if (zone.kind === "network") {
    conflicts.push(refuse("AddressIsNetwork", `${but} it is the network address.`, about));
  } else if (zone.kind === "broadcast") {
    conflicts.push(refuse("AddressIsBroadcast", `${but} it is the last address, which is reserved.`, about));
  } else {
    conflicts.push(refuse("AddressOfNode", `${but} it is an address of node "${zone.holder}".`, about));
  }
}

function holdMac(
  subnet: SubnetState,
  text: string | undefined,
  lease: LeaseRecord,
  conflicts: Refusal[],
): number | undefined {
  const held = lease.mac;
  if (text === undefined || text === "") return held;
  const { owner } = lease;
  const mac = parseMacNumber(text);
  if (mac === undefined) {
    const message = `"${owner}" is recorded with "${text}", which is not a valid MAC address of an interface.`;
    conflicts.push(refuse("MacMalformed", message, { subnet: subnet.name, value: text, holder: owner }));
    return held;
  }
  if (held === mac) return held;
  if (held !== undefined) {
    const message = `"${owner}" is recorded with MAC addresses ${text} and ${macFromNumber(held)}; the latter is used.`;
    conflicts.push(refuse("HoldsAnother", message, { subnet: subnet.name, value: text, holder: owner }));
    return held;
  }
  const other = subnet.macs.holder(mac);
  if (other !== undefined) {
    const message = `MAC address ${text} is recorded for "${owner}" and for "${other.owner}" in the network of subnet "${subnet.name}"; "${other.owner}" keeps it, and "${owner}" must get another.`;
    conflicts.push(refuse("MacInUse", message, { subnet: subnet.name, value: text, holder: other.owner }));
    return undefined;
  }
  subnet.macs.take(mac, lease);
  return mac;
}
