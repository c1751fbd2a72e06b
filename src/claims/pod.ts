// SPDX-License-Identifier: Apache-2.0

import { podAnnotation } from "../api/annotations.ts";
import type { AddressConflictFact, IpFact } from "../facts/ip.ts";
import type { PodFact } from "../facts/pod.ts";
import type { FactReader } from "../facts/store.ts";
import { type Refusal, refuse } from "../ipam/refusal.ts";
import type { AddressLease } from "../ipam/types.ts";
import { type Claim, type Claimant, type ClaimKind, claimId } from "./claim.ts";
import { ipNameConflict } from "./ip-name-conflict.ts";
import { newIpRecord, takenOverIpRecord } from "./ip-record.ts";
import { isFailedTarget, placementOf } from "./migration.ts";
import { interfaceOf, type PodInterface, PRIMARY_INTERFACE, podInterfaces, portOf } from "./pod-interfaces.ts";
import { podRequest } from "./pod-request.ts";
import { isComplete } from "./reservation.ts";
import { isRetained } from "./retention.ts";
import { addOtherWorkload } from "./static-ip-conflict.ts";
import { reservationVerdictKey } from "./verdict-keys.ts";

/** The pods of one holder: one pod, or those of one virtual machine. Each interface is a separate claim and waits for no other. */
export const podClaims: ClaimKind<"pods"> = {
  facts: "pods",
  rank: 3,

  keysOf({ kind, old, new: now }) {
    if (kind !== "pods" && kind !== "ips") return [];
    const [before, after] = [
      (old as PodFact | IpFact | undefined)?.holder,
      (now as PodFact | IpFact | undefined)?.holder,
    ];
    const holders = before === after ? [after ?? ""] : [before ?? "", after ?? ""];
    return holders.filter((holder) => holder !== "" && !holder.startsWith("node:"));
  },

  read(reader, holder) {
    const pods = reader.by("pods", "holder", holder);
    return pods.length === 0 ? undefined : pods.flatMap((pod) => (pod.alive ? claimsOf(reader, pod, pods) : []));
  },
};

/** The id of the claim of a pod's interface. */
export function podClaimId(pod: PodFact, provider: string): string {
  return claimId({ claimant: claimantOf(pod), ...subjectOf(provider) });
}

/** The subject of refusals of an interface; none for a pod's own. */
function subjectOf(provider: string): { readonly subject?: string } {
  return provider === PRIMARY_INTERFACE.provider ? {} : { subject: provider };
}

function claimantOf({ key, name, namespace, uid }: PodFact): Claimant {
  return { kind: "pods", key, name, namespace, uid };
}

function claimsOf(reader: FactReader, pod: PodFact, pods: readonly PodFact[]): readonly Claim[] {
  const claims: Claim[] = [];
  const { interfaces, unclear } = podInterfaces(reader, pod);
  if (pod.node !== undefined) {
    for (const own of interfaces) {
      const claim = claimOf(reader, pod, pod.node, own, pods);
      if (claim !== undefined) claims.push(claim);
    }
  }
  for (const { id, code, message, value } of unclear) {
    const about = { claimant: claimantOf(pod), subject: id, recordedIn: { kind: "pods", key: pod.key } } as const;
    claims.push({ ...about, desired: refuse(code, message, { value }) });
  }
  return claims;
}

function claimOf(
  reader: FactReader,
  pod: PodFact,
  node: string,
  own: PodInterface,
  pods: readonly PodFact[],
): Claim | undefined {
  const { provider } = own;
  const owner = portOf(pod, provider);
  const old = reader.get("ips", owner);
  const claim = {
    claimant: claimantOf(pod),
    ...subjectOf(provider),
    owner,
    recordedIn: { kind: "ips", key: owner },
    explain: (facts: FactReader, refusal: Refusal) => addOtherWorkload(facts, pod, provider, refusal),
  } as const;
  const holder = { node, pod, provider };
  if (old === undefined) {
    // Its record would be released as soon as it is created, in a loop.
    if (isFailedTarget(reader, pod)) return undefined;
    const asked = podRequest(reader, pod, own);
    const desired = asked.ok ? { ...asked, record: (lease: AddressLease) => newIpRecord(lease, holder) } : asked;
    return { ...claim, fresh: true, desired };
  }
  // An object that is being deleted must free its name first; its deletion triggers this claim again.
  if (old.deleting) return { ...claim, desired: undefined };
  const conflict = reader.get("addressConflicts", owner);
  // A conflicting record of the controller is deleted; one of a user is left to the user.
  if (conflict !== undefined)
    return { ...claim, desired: old.reserved ? reservationConflict(old, conflict) : undefined };
  if (old.holder !== pod.holder || old.provider !== provider) return { ...claim, desired: ipNameConflict(old) };
  if (old.podUid === pod.uid || old.podUid === "") {
    if (pod.annotations[podAnnotation(provider, "allocated")] === "true") return undefined;
    const desired = unusable(reader, old);
    // A user's reservation for it is about to be completed.
    const unfinished = old.reserved && !isComplete(reader, old);
    return desired === undefined && !unfinished ? undefined : { ...claim, desired };
  }
  const having = pods.filter((other) => other.alive && interfaceOf(reader, other, provider) !== undefined);
  const { owner: first, target } = placementOf(reader, having, old.podUid);
  if (first !== pod) {
    // A virtual machine has two pods with one address during a migration: the record is changed when the migration has succeeded. The source pod
    // keeps its annotations.
    const has = target?.pod === pod || pod.annotations[podAnnotation(provider, "allocated")] === "true";
    return has || first === undefined ? undefined : { ...claim, desired: firstPodRuns(old, first) };
  }
  // The address of an earlier pod with the same name is released if this pod cannot have it, unless it is kept for another successor.
  const kept = old.reserved || isRetained(reader, old);
  const asked = podRequest(reader, pod, own);
  const desired = asked.ok
    ? { ...asked, record: (lease: AddressLease) => takenOverIpRecord(lease, old, holder) }
    : asked;
  return { ...claim, predecessor: { ip: old, kept }, desired };
}

/** Why a pod with a record, its own or a user's, has no network; `undefined` if it has or is about to. */
function unusable(reader: FactReader, { name, subnet, reserved }: IpFact): Refusal | undefined {
  const about = { subnet, value: subnet };
  if (reader.get("subnets", subnet) === undefined) {
    const message = `IP object "${name}" of this pod is in subnet "${subnet}", which does not exist; create the subnet, or delete the IP object.`;
    return refuse("SubnetUnknown", message, about);
  }
  if (reader.get("verdicts", subnet)?.ok !== true) {
    const message = `IP object "${name}" of this pod is in subnet "${subnet}", which is not ready; see the conditions of the subnet, or delete the IP object.`;
    return refuse("SubnetNotReady", message, about);
  }
  if (!reserved || reader.get("verdicts", reservationVerdictKey(name)) === undefined) return undefined;
  const message = `IP object "${name}", which reserves an address for this pod, has no address yet; see its Events.`;
  return refuse("ReservationUnmet", message, { value: name });
}

/** A reservation for a pod names an address that the pod may not have. */
function reservationConflict({ name }: IpFact, { message }: AddressConflictFact): Refusal {
  const text = `IP object "${name}", which reserves an address for this pod, is in conflict: ${message} Delete or change the object.`;
  return refuse("ReservationConflict", text, { value: name });
}

/** Of two pods of one virtual machine, as during a migration, one has the address. */
function firstPodRuns({ v4, v6, name }: IpFact, first: PodFact): Refusal {
  const address = [v4, v6].filter((text) => text !== "").join(",");
  const message = `The address of IP object "${name}" (${address}) is in use by pod "${first.key}"; this pod gets it when that pod has ended.`;
  return refuse("AddressInUse", message, { value: address, holder: first.key });
}
