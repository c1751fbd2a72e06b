// SPDX-License-Identifier: Apache-2.0

import { SERVICE } from "../api/annotations.ts";
import type { ClaimKind, RecordWrite } from "../claims/claim.ts";
import { FOR_RESERVATIONS, withEligibleSubnets } from "../claims/eligible-subnets.ts";
import { requestedAddressesOf } from "../claims/requested-addresses.ts";
import { serviceOwner, serviceVerdictKey } from "../claims/verdict-keys.ts";
import type { LoadBalancerFact, ServiceFact } from "../facts/service.ts";
import type { AddressLease } from "../ipam/types.ts";

/** A Service of type LoadBalancer: its addresses are recorded in its status, and their subnet in an annotation, by one write. */
export const serviceClaim: ClaimKind<"services"> = {
  facts: "services",
  rank: 2,

  read(reader, key) {
    const service = reader.get("services", key);
    const wanted = service?.loadBalancer;
    if (service === undefined || wanted === undefined) return undefined;
    if (wanted.given !== undefined || wanted.subnet === "") return [];
    const { uid, namespace, name } = service;
    const owner = serviceOwner(key);
    const asked = {
      ...{ owner, subnets: [wanted.subnet], want: requestedAddressesOf(wanted), namespace, move: true },
      // The router answers for it with its own MAC.
      mac: "none",
      ...(wanted.family !== undefined && { family: wanted.family }),
    };
    const open = withEligibleSubnets(reader, asked, FOR_RESERVATIONS);
    const desired = open.ok ? { ...open, record: (lease: AddressLease) => recordOf(lease, service, wanted) } : open;
    const claimant = { kind: "services", key, namespace, name, uid } as const;
    return [{ claimant, owner, desired, recordedIn: { kind: "services", key }, verdict: serviceVerdictKey(key) }];
  },

  holds: ({ key, loadBalancer }) => loadBalancer?.given && { owner: serviceOwner(key), ...loadBalancer.given },
};

function recordOf(
  { subnet, v4, v6 }: AddressLease,
  { uid, namespace, name }: ServiceFact,
  { version: resourceVersion }: LoadBalancerFact,
): RecordWrite {
  const metadata = { uid, resourceVersion, annotations: { [SERVICE.loadBalancer]: subnet } };
  const ingress = [v4, v6].flatMap((ip) => (ip === undefined ? [] : [{ ip }]));
  const body = { metadata, status: { loadBalancer: { ingress } } };
  return { verb: "patch", kind: "services", namespace, name, subresource: "status", body };
}
