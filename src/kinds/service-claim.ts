// SPDX-License-Identifier: Apache-2.0

import { SERVICE } from "../api/annotations.ts";
import type { ClaimKind, RecordWrite } from "../claims/claim.ts";
import { FOR_RESERVATIONS, type RequestResult, withEligibleSubnets } from "../claims/eligible-subnets.ts";
import {
  adoptable,
  asksForOther,
  isOfAnother,
  keptAddresses,
  lacksOrHasTooMany,
} from "../claims/load-balancer-addresses.ts";
import { requestedAddressesOf } from "../claims/requested-addresses.ts";
import { addressConflictOf } from "../claims/status-address-conflict.ts";
import { serviceOwner } from "../claims/verdict-keys.ts";
import { isUnderlay } from "../compile/subnet/subnet-localnet.ts";
import { loadBalancerRecord } from "../facts/project-load-balancer.ts";
import type { LoadBalancerFact, ServiceFact } from "../facts/service.ts";
import type { FactReader } from "../facts/store.ts";
import { refuse } from "../ipam/refusal.ts";
import type { AddressLease, AddressRequest, Want } from "../ipam/types.ts";

/** A Service of type LoadBalancer: its addresses are in its status, and recorded in an annotation, by one write. */
export const serviceClaim: ClaimKind<"services"> = {
  facts: "services",
  rank: 2,

  read(reader, key) {
    const service = reader.get("services", key);
    const wanted = service?.loadBalancer;
    if (service === undefined || wanted === undefined) return undefined;
    if (wanted.subnet === "" || isOfAnother(reader, wanted)) return [];
    if (wanted.given !== undefined && !isToChange(reader, key, wanted)) return [];
    const { uid, namespace, name } = service;
    const owner = serviceOwner(key);
    const asked: AddressRequest = {
      ...{ owner, subnets: [wanted.subnet], want: wantOf(reader, wanted), namespace, move: true },
      // The router answers for it with its own MAC.
      mac: "none",
      ...(wanted.family !== undefined && { family: wanted.family }),
    };
    const open = inExternalSubnet(reader, asked, wanted.subnet);
    const desired = open.ok ? { ...open, record: (lease: AddressLease) => recordOf(lease, service, wanted) } : open;
    const claimant = { kind: "services", key, namespace, name, uid } as const;
    // Without a verdict: Services that wait for any address of a subnet are one queue.
    return [{ claimant, owner, desired, recordedIn: { kind: "services", key } }];
  },

  holds: ({ key, loadBalancer }) => loadBalancer?.given && { owner: serviceOwner(key), ...loadBalancer.given },
};

/** Anyone who may write a Service names its subnet, so that must be one for networks outside: not one of pods or nodes. */
function inExternalSubnet(reader: FactReader, asked: AddressRequest, name: string): RequestResult {
  const subnet = reader.get("subnets", name);
  if (subnet === undefined || isUnderlay(subnet)) return withEligibleSubnets(reader, asked, FOR_RESERVATIONS);
  const message = `Subnet "${name}" is not an external subnet (it has no spec.vlan); name one that is.`;
  return refuse("SubnetNotReady", message, { subnet: name, value: name });
}

/** Whether an address is added to those that it has, or removed from them. */
function isToChange(reader: FactReader, key: string, wanted: LoadBalancerFact): boolean {
  if (asksForOther(wanted) || addressConflictOf(reader, serviceOwner(key)) !== undefined) return false;
  return lacksOrHasTooMany(reader, wanted);
}

function wantOf(reader: FactReader, wanted: LoadBalancerFact): Want {
  const asked = requestedAddressesOf(wanted);
  const present = keptAddresses(wanted) ?? adoptable(reader, wanted);
  if (present === undefined) return asked;
  return { kind: "static", addresses: { ...(asked.kind === "static" && asked.addresses), ...present } };
}

function recordOf(
  { subnet, v4, v6 }: AddressLease,
  { uid, namespace, name }: ServiceFact,
  { version: resourceVersion }: LoadBalancerFact,
): RecordWrite {
  const addresses = [v4, v6].flatMap((ip) => ip ?? []);
  const annotations = { [SERVICE.loadBalancer]: loadBalancerRecord(subnet, addresses) };
  const metadata = { uid, resourceVersion, annotations };
  const ingress = addresses.map((ip) => ({ ip }));
  const body = { metadata, status: { loadBalancer: { ingress } } };
  return { verb: "patch", kind: "services", namespace, name, subresource: "status", body };
}
