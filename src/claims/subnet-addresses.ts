// SPDX-License-Identifier: Apache-2.0

import { ipLabels } from "../api/annotations.ts";
import { FINALIZER } from "../api/names.ts";
import { multicastQuerierName, u2oIpName } from "../api/port-names.ts";
import type { IpFact } from "../facts/ip.ts";
import type { FactReader } from "../facts/store.ts";
import type { SubnetFact } from "../facts/subnet.ts";
import type { AddressLease } from "../ipam/types.ts";
import { parseDualIp } from "../net/dual.ts";
import type { Claim, ClaimKind, RecordWrite } from "./claim.ts";
import { FOR_RESERVATIONS, withEligibleSubnets } from "./eligible-subnets.ts";
import { ipNameConflict } from "./ip-name-conflict.ts";
import { addressFields } from "./ip-record.ts";
import { hasQuerier } from "./multicast-querier.ts";
import { requestedAddressesOf } from "./object-addresses.ts";
import { querierVerdictKey, u2oVerdictKey } from "./verdict-keys.ts";

/** The prefix of `IpFact.holder` of such a record, before the subnet's name. */
export const SUBNET_HOLDER = "subnet:";

/** Whether a record is one of the subnet's own. */
export function isOfSubnet({ holder }: IpFact, subnet: string): boolean {
  return holder === `${SUBNET_HOLDER}${subnet}`;
}

/** Whether the VPC's router needs an address in a subnet beside its gateway. */
export function hasU2oRouter({ u2o, protocol }: Pick<SubnetFact, "u2o" | "protocol">): boolean {
  return u2o !== undefined && protocol !== "Mac";
}

/** The addresses that `u2oInterconnectionIP` names, in canonical form; "" for a family without one. */
export function wantedU2oAddresses({ u2o }: Pick<SubnetFact, "u2o">): Pick<IpFact, "v4" | "v6"> {
  const { v4, v6 } = parseDualIp(u2o?.ip ?? "") ?? {};
  return { v4: v4?.text ?? "", v6: v6?.text ?? "" };
}

/** The addresses of a subnet's own: the source of its multicast queries, and that of its router with `u2oInterconnection`. */
export const subnetClaims: ClaimKind<"subnetSpecs"> = {
  facts: "subnetSpecs",
  rank: 1,

  read(reader, key) {
    if (reader.get("subnetSpecs", key) === undefined) return undefined;
    const subnet = reader.get("subnets", key);
    if (subnet === undefined || subnet.deleting) return [];
    const { name, vpc } = subnet;
    return [
      ...(hasQuerier(subnet) ? claimOf(reader, subnet, multicastQuerierName(name), querierVerdictKey(name)) : []),
      ...(hasU2oRouter(subnet)
        ? claimOf(reader, subnet, u2oIpName(vpc, name), u2oVerdictKey(name), wantedU2oAddresses(subnet))
        : []),
    ];
  },
};

function claimOf(
  reader: FactReader,
  { name, uid }: SubnetFact,
  owner: string,
  verdict: string,
  addresses: Pick<IpFact, "v4" | "v6"> = { v4: "", v6: "" },
): readonly Claim[] {
  const old = reader.get("ips", owner);
  if (old !== undefined && isOfSubnet(old, name)) return [];
  const claimant = { kind: "subnets", key: name, name, uid } as const;
  const claim = { claimant, owner, fresh: true, recordedIn: { kind: "ips", key: owner }, verdict } as const;
  if (old !== undefined) return [{ ...claim, desired: old.deleting ? undefined : ipNameConflict(old) }];
  const asked = { owner, subnets: [name], want: requestedAddressesOf(addresses), move: true } as const;
  const open = withEligibleSubnets(reader, asked, FOR_RESERVATIONS);
  return [{ ...claim, desired: open.ok ? { ...open, record: recordOf } : open }];
}

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
