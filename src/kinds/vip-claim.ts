// SPDX-License-Identifier: Apache-2.0

import { LABEL, labelValue } from "../api/annotations.ts";
import { FINALIZER } from "../api/names.ts";
import type { ClaimKind, RecordWrite } from "../claims/claim.ts";
import { FOR_RESERVATIONS, withEligibleSubnets } from "../claims/eligible-subnets.ts";
import { requestedAddressesOf } from "../claims/object-addresses.ts";
import { vipOwner } from "../claims/pod-request.ts";
import { vipVerdictKey } from "../claims/verdict-keys.ts";
import type { AddressLease } from "../ipam/types.ts";
import type { VipFact } from "./vip-fact.ts";

/** ARP for the address of a load balancer is answered with the router's MAC, which must not be reserved. */
function hasOwnMac({ type }: VipFact): boolean {
  return type !== "switch_lb_vip";
}

/** A Vip, which records its own lease. */
export const vipClaims: ClaimKind<"vips"> = {
  facts: "vips",
  rank: 2,

  read(reader, key) {
    const vip = reader.get("vips", key);
    if (vip === undefined) return undefined;
    if (vip.given || vip.deleting) return [];
    const { name, uid, subnet, namespace, mac } = vip;
    const owner = vipOwner(name);
    const asked = {
      owner,
      subnets: [subnet],
      want: requestedAddressesOf(vip),
      namespace,
      move: true,
      ...(mac !== "" && { mac }),
      ...(!hasOwnMac(vip) && { mac: "none" }),
    };
    const open = withEligibleSubnets(reader, asked, FOR_RESERVATIONS);
    const desired = open.ok ? { ...open, record: (lease: AddressLease) => vipRecord(lease, vip) } : open;
    const claimant = { kind: "vips", key, name, uid } as const;
    return [{ claimant, owner, desired, recordedIn: { kind: "vips", key }, verdict: vipVerdictKey(name) }];
  },

  holds(vip) {
    const { name, subnet, given, v4, v6, mac } = vip;
    return given ? { owner: vipOwner(name), subnet, v4, v6, ...(hasOwnMac(vip) && { mac }) } : undefined;
  },
};

/** Kube-OVN's Vip has no status subresource: spec, status and the finalizer are in one patch. */
function vipRecord(
  lease: AddressLease,
  { name, uid, version, mac: named, type, finalizers: others }: VipFact,
): RecordWrite {
  const [v4ip, v6ip, mac] = [lease.v4 ?? "", lease.v6 ?? "", lease.mac ?? named];
  const labels = { [LABEL.subnet]: labelValue(lease.subnet), [LABEL.ipReserved]: "" };
  const body = {
    metadata: { uid, resourceVersion: version, labels, finalizers: [...new Set([...others, FINALIZER])] },
    spec: { v4ip, v6ip, macAddress: mac },
    status: { v4ip, v6ip, mac, type },
  };
  return { verb: "patch", kind: "vips", name, body };
}
