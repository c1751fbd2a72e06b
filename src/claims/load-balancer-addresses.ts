// SPDX-License-Identifier: Apache-2.0

import { SERVICE } from "../api/annotations.ts";
import { loadBalancerRecord } from "../facts/project-load-balancer.ts";
import type { LoadBalancerFact, ServiceFact } from "../facts/service.ts";
import type { FactReader } from "../facts/store.ts";
import { isUnderlay } from "../facts/underlay.ts";
import { refuse } from "../ipam/refusal.ts";
import type { AddressLease, AddressRequest, Want } from "../ipam/types.ts";
import type { Ip } from "../net/address.ts";
import { textContains } from "../net/cidr.ts";
import { type Dual, dualValues, parseDualIp } from "../net/dual.ts";
import type { ClaimKind, RecordWrite } from "./claim.ts";
import { FOR_RESERVATIONS, type RequestResult, withEligibleSubnets } from "./eligible-subnets.ts";
import { requestedAddressesOf } from "./object-addresses.ts";
import { addressConflictOf } from "./status-address-conflict.ts";
import { serviceOwner } from "./verdict-keys.ts";

/**
 * The claim of a Service of type LoadBalancer on an address of an external subnet. Its addresses are in its status, and recorded in an annotation, by one
 * write. An address that another object has is refused with the message of `addressInUse` in `src/ipam/refusal-messages.ts`.
 */
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
  { version: resourceVersion, claimedBy }: LoadBalancerFact,
): RecordWrite {
  const addresses = [v4, v6].flatMap((ip) => ip ?? []);
  const recorded = { [SERVICE.loadBalancer]: loadBalancerRecord(subnet, addresses) };
  const annotations = { ...recorded, ...(claimedBy !== undefined && { [claimedBy]: null }) };
  const metadata = { uid, resourceVersion, annotations };
  const ingress = addresses.map((ip) => ({ ip }));
  const body = { metadata, status: { loadBalancer: { ingress } } };
  return { verb: "patch", kind: "services", namespace, name, subresource: "status", body };
}

/**
 * The addresses in a Service's status that Weft has not recorded, if it may record them: they are of the subnet that the Service asks for, and are what it
 * asks for, and no other implementation says that it has given them. So a Service keeps its addresses when the annotation is lost, and when it had them from another implementation.
 */
function adoptable(
  reader: FactReader,
  { subnet, v4, v6, unrecorded, claimedBy }: LoadBalancerFact,
): Dual<Ip> | undefined {
  const found = claimedBy === undefined ? parseDualIp(unrecorded.join(",")) : undefined;
  const ranges = dualValues(reader.get("subnets", subnet)?.cidr ?? {});
  if (found === undefined) return undefined;
  if (!dualValues(found).every(({ text }) => ranges.some((range) => textContains(range, text)))) return undefined;
  const isAsked = (asked: string, one: Ip | undefined): boolean =>
    asked === "" || one === undefined || asked === one.text;
  return isAsked(v4, found.v4) && isAsked(v6, found.v6) ? found : undefined;
}

/** Whether the addresses in a Service's status are another implementation's, so Weft gives it none. */
export function isOfAnother(reader: FactReader, wanted: LoadBalancerFact): boolean {
  return wanted.unrecorded.length > 0 && !wanted.exclusive && adoptable(reader, wanted) === undefined;
}

/** Whether a Service asks for other addresses than it has, so that those are released first. */
export function asksForOther({ subnet, v4, v6, family, given }: LoadBalancerFact): boolean {
  if (given === undefined) return false;
  if (subnet !== given.subnet) return true;
  const isOther = (asked: string, one: string): boolean => asked !== "" && one !== "" && asked !== one;
  const kept = family === 4 ? given.v4 : family === 6 ? given.v6 : given.v4 || given.v6;
  return kept === "" || isOther(v4, given.v4) || isOther(v6, given.v6);
}

/** Whether a Service has the addresses that it asks for in one family only, or has become single-stack: the others are added or removed. */
function lacksOrHasTooMany(reader: FactReader, { family, given }: LoadBalancerFact): boolean {
  if (given === undefined) return false;
  if (family !== undefined) return (family === 4 ? given.v6 : given.v4) !== "";
  const { cidr } = reader.get("subnets", given.subnet) ?? {};
  return (given.v4 === "" && cidr?.v4 !== undefined) || (given.v6 === "" && cidr?.v6 !== undefined);
}

/** The addresses that a Service keeps when others are added or removed. */
function keptAddresses({ family, given }: LoadBalancerFact): Dual<Ip> | undefined {
  if (given === undefined) return undefined;
  const { v4, v6 } = parseDualIp([given.v4, given.v6].filter((one) => one !== "").join(",")) ?? {};
  return { ...(v4 && family !== 6 && { v4 }), ...(v6 && family !== 4 && { v6 }) };
}
