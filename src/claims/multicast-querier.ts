// SPDX-License-Identifier: Apache-2.0

import { ipLabels, isOvnProvider } from "../api/annotations.ts";
import { FINALIZER } from "../api/names.ts";
import { multicastQuerierName } from "../api/port-names.ts";
import type { IpFact } from "../facts/ip.ts";
import type { SubnetFact } from "../facts/subnet.ts";
import type { AddressLease } from "../ipam/types.ts";
import type { ClaimKind, RecordWrite } from "./claim.ts";
import { FOR_RESERVATIONS, withEligibleSubnets } from "./eligible-subnets.ts";
import { ipNameConflict } from "./ip-name-conflict.ts";
import { addressFields } from "./ip-record.ts";
import { querierVerdictKey } from "./verdict-keys.ts";

/** The prefix of `IpFact.holder` of a querier's record, before the subnet's name. */
export const SUBNET_HOLDER = "subnet:";

/** Whether a subnet has a multicast querier: OVN then queries the multicast groups of its pods. */
export function hasQuerier({ enableMulticastSnoop, provider, protocol, vlan }: SubnetFact): boolean {
  return enableMulticastSnoop && isOvnProvider(provider) && protocol !== "Mac" && vlan === "";
}

/** Whether a record is that of the subnet's querier. */
export function isQuerierOf({ holder }: IpFact, subnet: string): boolean {
  return holder === `${SUBNET_HOLDER}${subnet}`;
}

/** The source address and MAC of a subnet's multicast queries. */
export const querierClaims: ClaimKind<"subnetSpecs"> = {
  facts: "subnetSpecs",
  rank: 1,

  read(reader, key) {
    if (reader.get("subnetSpecs", key) === undefined) return undefined;
    const subnet = reader.get("subnets", key);
    if (subnet === undefined || subnet.deleting || !hasQuerier(subnet)) return [];
    const { name, uid } = subnet;
    const owner = multicastQuerierName(name);
    const old = reader.get("ips", owner);
    if (old !== undefined && isQuerierOf(old, name)) return [];
    const claimant = { kind: "subnets", key, name, uid } as const;
    const verdict = querierVerdictKey(name);
    const claim = { claimant, owner, fresh: true, recordedIn: { kind: "ips", key: owner }, verdict } as const;
    if (old !== undefined) return [{ ...claim, desired: old.deleting ? undefined : ipNameConflict(old) }];
    const asked = { owner, subnets: [name], want: { kind: "any" }, move: true } as const;
    const open = withEligibleSubnets(reader, asked, FOR_RESERVATIONS);
    return [{ ...claim, desired: open.ok ? { ...open, record: recordOf } : open }];
  },
};

/** As in Kube-OVN the namespace is `default`, although a subnet has none. */
function recordOf(lease: AddressLease): RecordWrite {
  const labels = ipLabels({ subnet: lease.subnet, node: "", reserved: false });
  const spec = {
    ...{ podName: lease.owner, namespace: "default", subnet: lease.subnet, nodeName: "", podType: "" },
    ...addressFields(lease),
    ...{ attachIps: [], attachMacs: [], attachSubnets: [], containerID: "" },
  };
  return {
    verb: "create",
    kind: "ips",
    body: { metadata: { name: lease.owner, labels, finalizers: [FINALIZER] }, spec },
  };
}
