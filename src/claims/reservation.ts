// SPDX-License-Identifier: Apache-2.0

import { isOvnProvider } from "../api/annotations.ts";
import type { IpFact } from "../facts/ip.ts";
import type { FactReader } from "../facts/store.ts";
import type { AddressLease } from "../ipam/types.ts";
import type { ClaimKind } from "./claim.ts";
import { FOR_RESERVATIONS, withEligibleSubnets } from "./eligible-subnets.ts";
import { reservationRecord } from "./ip-record.ts";
import { requestedAddressesOf } from "./object-addresses.ts";
import { reservationVerdictKey } from "./verdict-keys.ts";

/** An address that a user reserves with an IP object: the address and MAC that the object lacks. */
export const reservationClaims: ClaimKind<"ips"> = {
  facts: "ips",
  rank: 1,

  keysOf({ kind, key, old, new: now }) {
    const reserved = [old, now].some((ip) => (ip as IpFact | undefined)?.reserved === true);
    return kind === "ips" && reserved ? [key] : [];
  },

  read(reader, key) {
    const ip = reader.get("ips", key);
    if (ip === undefined || !ip.reserved) return undefined;
    const { name, uid, subnet, mac } = ip;
    if (ip.deleting || isComplete(reader, ip) || reader.get("addressConflicts", name) !== undefined) return [];
    const asked = {
      owner: name,
      subnets: [subnet],
      want: requestedAddressesOf(ip),
      namespace: namespaceOf(ip),
      move: true,
      ...(!hasMac(reader, ip) && { mac: "none" }),
      ...(mac !== "" && { mac }),
    };
    const open = withEligibleSubnets(reader, asked, FOR_RESERVATIONS);
    const desired = open.ok ? { ...open, record: (lease: AddressLease) => reservationRecord(lease, ip) } : open;
    const claimant = { kind: "ips", key, name, uid } as const;
    return [{ claimant, owner: name, desired, recordedIn: { kind: "ips", key }, verdict: reservationVerdictKey(name) }];
  },
};

/** Whether a reservation is complete. */
export function isComplete(reader: FactReader, ip: IpFact): boolean {
  return requestedAddressesOf(ip).kind === "static" && (ip.mac !== "" || !hasMac(reader, ip));
}

/** If another plugin creates the interface, it chooses the MAC. */
function hasMac(reader: FactReader, { subnet }: IpFact): boolean {
  const provider = reader.get("subnets", subnet)?.provider;
  return provider === undefined || isOvnProvider(provider);
}

/** The namespace of the pod that a record is for; "" for none. */
export function namespaceOf({ holder }: IpFact): string {
  const slash = holder.indexOf("/");
  return slash < 0 ? "" : holder.slice(0, slash);
}
