// SPDX-License-Identifier: Apache-2.0

import type { AnyClaimKind, Claim } from "../../claims/claim.ts";
import { namespaceOf } from "../../claims/reservation.ts";
import { poolVerdictKey } from "../../claims/verdict-keys.ts";
import type { RowUuid } from "../../desired/identity.ts";
import type { PortFact } from "../../facts/database.ts";
import type { FactChange } from "../../facts/fact-change.ts";
import type { AddressConflictFact, IpFact } from "../../facts/ip.ts";
import type { PodFact } from "../../facts/pod.ts";
import type { FactStore } from "../../facts/store.ts";
import type { FactKind, FactTypes } from "../../facts/types.ts";
import type { Ipam } from "../../ipam/ipam.ts";
import type { IpRecord } from "../../ipam/recorded-lease.ts";
import type { Refusal } from "../../ipam/refusal.ts";
import { holderText } from "../../ipam/refusal-messages.ts";
import {
  byAge,
  isReservationInUse,
  isRunning,
  lostRecordMessage,
  type RecoveredLease,
  recoverLeases,
} from "./startup-recovery.ts";
import { configureNodes, configureSubnet } from "./subnet-configuration.ts";

/** The registry's dependencies and callbacks. */
export interface LeaseRegistryOptions {
  readonly facts: FactStore;
  readonly ipam: Ipam;
  /** The uuids of the cluster's rows in the northbound database. */
  readonly rowUuid: RowUuid;
  /** The kinds of claims; objects of some kinds record their lease themselves. */
  readonly kinds: readonly AnyClaimKind[];
  /** An IP object conflicts with another address and must be deleted. Called again for each version of it. */
  readonly discard: (ip: IpFact) => void;
  /** Withdraws `discard`; also called for objects without it. */
  readonly keep: (name: string) => void;
  /** A record conflicts with something else; the message says how that was resolved. Called once for each record. */
  readonly reportConflict: (ip: IpFact, message: string) => void;
  /** A pod's record was lost; the message says what happened to its address. */
  readonly restored: (pod: PodFact, message: string) => void;
  /** The counters of a subnet have changed. */
  readonly usageChanged: (subnet: string) => void;
}

/**
 * Keeps IPAM's leases and subnet configuration equal to the cluster: IP objects, other objects that record leases, pods and ports. Reports conflicts.
 */
export class LeaseRegistry {
  readonly #options: LeaseRegistryOptions;
  /** Names of ports without record and pod whose addresses are held → these addresses. */
  readonly #orphans = new Map<string, PortFact>();
  /** Owner → the object (`kind`, `key`) that records its lease, except IP objects. */
  readonly #objects = new Map<string, readonly [kind: FactKind, key: string]>();
  /** `kind/key` of such an object → the owner, as long as the object exists, even if it does not record a lease any more. */
  readonly #owners = new Map<string, string>();
  /** Owner → the owners of other objects that name its addresses. */
  readonly #inTheWay = new Map<string, Set<string>>();

  /** Kinds whose objects record their lease themselves → the lease of an object. */
  readonly #holds: ReadonlyMap<FactKind, (fact: never) => IpRecord | undefined>;

  constructor(options: LeaseRegistryOptions) {
    this.#options = options;
    this.#holds = new Map(options.kinds.flatMap(({ facts, holds }) => (holds === undefined ? [] : [[facts, holds]])));
  }

  /** Restores the configuration of subnets and all leases, the most reliable sources first. */
  start(): void {
    const { facts, ipam, rowUuid, reportConflict, usageChanged } = this.#options;
    configureNodes(facts, ipam);
    for (const subnet of facts.all("subnets")) this.#configure(subnet.name);
    const held = recoverLeases(facts, rowUuid);
    for (const ip of held.settled) this.#reserve(ip);
    for (const trace of held.ports) this.#restore(trace);
    for (const ip of held.handedOver) this.#reserve(ip);
    // A Vip's address was free when it was allocated: it takes precedence over a record with this address and without a port.
    for (const kind of this.#holds.keys()) for (const { key } of byAge(facts.all(kind))) this.#tryObject(kind, key);
    for (const ip of held.running) this.#reserve(ip);
    // Before those that can wait: otherwise two ports with one address would be in the database.
    for (const port of held.unowned) this.#holdOrphan(port);
    for (const ip of held.records) this.#reserve(ip);
    for (const { ip, message } of held.disagreements) reportConflict(ip, message);
    for (const trace of held.annotated) this.#restore(trace);
    for (const port of held.orphans) this.#holdOrphan(port);
    ipam.loaded();
    for (const subnet of facts.all("subnets")) usageChanged(subnet.name);
  }

  /** Forgets all. */
  stop(): void {
    const { ipam, facts } = this.#options;
    this.#orphans.clear();
    this.#objects.clear();
    this.#owners.clear();
    this.#inTheWay.clear();
    ipam.clear();
    for (const { key } of facts.all("addressConflicts")) facts.set("addressConflicts", key, undefined);
  }

  /** A fact has changed: updates subnets, pools and nodes in IPAM before claims are served. */
  configure(change: FactChange): void {
    const { facts, ipam } = this.#options;
    const { kind, key, new: now } = change;
    if (kind === "nodes") configureNodes(facts, ipam);
    if (kind === "ipPools" && now === undefined) facts.set("verdicts", poolVerdictKey(key), undefined);
    for (const subnet of subnetsOf(change)) this.#configure(subnet);
  }

  /**
   * A fact has changed, and {@link configure} has been called. `serveOwn` serves the owner of the record: a pod that still uses a released address
   * gets it again first.
   */
  noteFact(change: FactChange, serveOwn: () => void): void {
    const { kind, key, new: now } = change;
    if (kind === "ips") {
      this.#noteIp(change as FactChange<"ips">, serveOwn);
      return;
    }
    if (kind === "ports") this.#notePort(key, now as PortFact | undefined);
    for (const subnet of subnetsOf(change)) this.#reserveAgain(subnet);
    if (now !== undefined) {
      this.#releaseChanged(kind, key);
      this.#reserveObject(kind, key);
    }
    const gone = now === undefined ? this.#owners.get(`${kind}/${key}`) : undefined;
    if (gone !== undefined) this.#forget(kind, key, gone);
  }

  /** The lease that an object records itself. */
  heldBy(kind: FactKind, fact: object | undefined): IpRecord | undefined {
    if (fact === undefined) return undefined;
    if (kind === "ips") return recordOf(fact as IpFact);
    return this.#holds.get(kind)?.(fact as never);
  }

  /** Whether an object exists and records a lease. */
  isRecorded({ kind, key }: Claim["recordedIn"]): boolean {
    return this.heldBy(kind, this.#options.facts.get(kind, key)) !== undefined;
  }

  /** Whether an owner holds the addresses of a record. */
  agrees(owner: string, record: IpRecord | undefined): boolean {
    const lease = this.#options.ipam.leaseOf(owner);
    const { v4 = "", v6 = "" } = lease ?? {};
    return lease?.subnet === record?.subnet && v4 === record?.v4 && v6 === record.v6;
  }

  /** An object wants no address: the lease that it recorded before and does not record any more is released. */
  noteUnwanted(kind: FactKind, key: string): void {
    const owner = this.#owners.get(`${kind}/${key}`);
    if (owner !== undefined && this.heldBy(kind, this.#options.facts.get(kind, key)) === undefined)
      this.#forget(kind, key, owner);
  }

  /** No object records the owner's lease: it is released as soon as no port has the address. */
  letGo(owner: string): void {
    if (this.#options.ipam.release(owner) !== undefined) this.holdPort(owner);
  }

  /** As long as a port has the released address, it is not allocated to others. */
  holdPort(owner: string): void {
    const port = this.#options.facts.get("ports", owner);
    if (port !== undefined) this.#holdOrphan(port);
  }

  /** A lease was released: objects that name its address get it now, the oldest first. */
  noteFreed(owner: string): void {
    const { facts } = this.#options;
    const waiting = this.#inTheWay.get(owner) ?? new Set();
    this.#inTheWay.delete(owner);
    // It has handed its address over to a pod that uses it as long as the pod exists.
    for (const name of [owner, ...waiting]) {
      const object = this.#objects.get(name);
      if (object !== undefined) this.#tryObject(...object);
    }
    for (const ip of byAge([...waiting].flatMap((name) => facts.get("ips", name) ?? []))) this.#reserve(ip);
  }

  #forget(kind: FactKind, key: string, owner: string): void {
    this.#owners.delete(`${kind}/${key}`);
    this.#objects.delete(owner);
    this.#options.facts.set("addressConflicts", owner, undefined);
    this.#options.ipam.release(owner);
  }

  #noteIp({ old, new: now }: FactChange<"ips">, serveOwn: () => void): void {
    const { facts, ipam } = this.#options;
    if (now !== undefined) this.#reserve(now);
    if (now !== undefined || old === undefined) return;
    facts.set("addressConflicts", old.name, undefined);
    // The pod keeps the address if its annotations have it, as at the start of a leader, even if its subnet or pool is reserved for others now.
    const released = old.holder.startsWith("node:") || !isRunning(facts, old) ? ipam.release(old.name) : undefined;
    serveOwn();
    // Otherwise it is released when the port is deleted as well.
    if (released !== undefined) this.holdPort(old.name);
  }

  /** Releases an address that was held for a port that is deleted or has another address. */
  #notePort(name: string, port: PortFact | undefined): void {
    const held = this.#orphans.get(name);
    if (held === undefined || (port?.v4 === held.v4 && port.v6 === held.v6)) return;
    this.#orphans.delete(name);
    this.#options.ipam.release(orphanOwner(name));
  }

  /** Restores the lease of an IP object. */
  #reserve(ip: IpFact): void {
    if (ip.v4 === "" && ip.v6 === "" && ip.mac === "") return;
    const { ipam, facts, reportConflict, discard, keep, usageChanged } = this.#options;
    const { name, subnet } = ip;
    const record = recordOf(ip);
    const { conflicts } = ipam.reserve(record);
    usageChanged(subnet);
    // An address that could not be allocated now (outside of a subnet that has shrunk, the gateway's) stays allocated and is only reported.
    for (const { code, message } of conflicts) if (!isClash(code)) reportConflict(ip, message);
    const clash = this.#clashOf(name, conflicts);
    const ghost = clash?.holder?.startsWith(ORPHAN) === true ? holderText(clash.holder) : undefined;
    // A reserved address is not allocated to others, but a pod of another namespace does not get it.
    const foreign =
      ip.reserved && !isReservationInUse(facts, ip) ? ipam.poolRefusal(record, namespaceOf(ip))?.message : undefined;
    const message =
      clash && ghost !== undefined
        ? `${clash.value} is still in use by ${ghost}; "${name}" gets it afterwards`
        : (clash?.message ?? foreign);
    const before = facts.get("addressConflicts", name)?.message;
    facts.set("addressConflicts", name, message === undefined ? undefined : { key: name, message });
    if (message === undefined) {
      if (before !== undefined) keep(name);
      return;
    }
    if (before !== message) reportConflict(ip, message);
    // If only a port has the address, the record waits for the deletion of the port. Otherwise the earlier record is valid: a later record of the
    // controller is deleted, and its pod gets another address; one of a user is left to the user.
    if (!ip.reserved && !ip.deleting && ghost === undefined) discard(ip);
    else keep(name);
  }

  /** As `#reserveObject`, for one of many: if our own code throws, it is retried after a back-off, and the others are processed. */
  #tryObject(kind: FactKind, key: string, subnet?: string): void {
    const subject = { part: "claim", where: "what it holds", kind, key } as const;
    this.#options.facts.failures.run(subject, () => this.#reserveObject(kind, key, subnet));
  }

  /** Another client has written other addresses to an object's status. What uses the object uses these, so they are its lease, as they would be for the next leader. */
  #releaseChanged(kind: FactKind, key: string): void {
    const { facts, ipam } = this.#options;
    const held = this.heldBy(kind, facts.get(kind, key));
    if (held !== undefined && ipam.reserve(held).conflicts.some(({ code }) => code === "HoldsAnother"))
      ipam.release(held.owner);
  }

  /** Restores the lease that an object records, now or when a conflicting lease is released. With `subnet`: only if it is in that subnet. */
  #reserveObject(kind: FactKind, key: string, subnet?: string): void {
    const { facts, ipam } = this.#options;
    const held = this.heldBy(kind, facts.get(kind, key));
    if (held === undefined || (subnet !== undefined && held.subnet !== subnet)) return;
    const { owner } = held;
    this.#objects.set(owner, [kind, key]);
    this.#owners.set(`${kind}/${key}`, owner);
    const clash = this.#clashOf(owner, ipam.reserve(held).conflicts);
    // Another client wrote its status, for example by copying an object.
    facts.set("addressConflicts", owner, clash && addressConflictOfObject(owner, clash));
  }

  /** The first conflict with another owner, which is stored. */
  #clashOf(owner: string, conflicts: readonly Refusal[]): Refusal | undefined {
    const clash = conflicts.find(({ code }) => isClash(code));
    if (clash?.holder === undefined) return clash;
    const waiting = this.#inTheWay.get(clash.holder);
    if (waiting === undefined) this.#inTheWay.set(clash.holder, new Set([owner]));
    else waiting.add(owner);
    return clash;
  }

  /** Restores a lease whose record is lost, completely or not at all, because a pod needs all of its addresses. */
  #restore(trace: RecoveredLease): void {
    const { ipam, restored } = this.#options;
    const { pod, owner } = trace;
    // Annotations without a record or a port are not trusted: any user may have written them.
    const foreign = trace.source === "its annotations" && pod ? ipam.poolRefusal(trace, pod.namespace) : undefined;
    const clash = foreign ?? ipam.reserve(trace).conflicts.find(({ code }) => isClash(code));
    if (clash !== undefined && foreign === undefined) ipam.release(owner);
    if (pod !== undefined) restored(pod, lostRecordMessage(trace, clash?.message));
  }

  /** The address of an existing port is not allocated to others. */
  #holdOrphan(port: PortFact): void {
    const { name, subnet, v4, v6 } = port;
    const { lease } = this.#options.ipam.reserve({
      owner: orphanOwner(name),
      subnet,
      ...(v4 && { v4 }),
      ...(v6 && { v6 }),
    });
    if (lease !== undefined) this.#orphans.set(name, port);
  }

  /** Two owners with one MAC that are now in one network are reported: both keep it. */
  #configure(subnet: string): void {
    const { facts, ipam, reportConflict } = this.#options;
    for (const { holder = "", message } of configureSubnet(facts, ipam, subnet)) {
      const ip = facts.get("ips", holder);
      if (ip !== undefined) reportConflict(ip, message);
    }
  }

  /** Records that were created before their subnet can be restored now. */
  #reserveAgain(subnet: string): void {
    const { facts, usageChanged } = this.#options;
    for (const ip of byAge(facts.by("ips", "subnet", subnet))) this.#reserve(ip);
    for (const [kind, key] of this.#objects.values()) this.#tryObject(kind, key, subnet);
    usageChanged(subnet);
  }
}

/** Whether a conflict is between two records of one address or MAC. */
function isClash(code: Refusal["code"]): boolean {
  return code === "AddressInUse" || code === "MacInUse";
}

function addressConflictOfObject(owner: string, { value = "", holder = "" }: Refusal): AddressConflictFact {
  const message = `its status has ${value}, which is in use by ${holderText(holder)}; delete one of the two, or remove the status of this one`;
  return { key: owner, message, holder };
}

/** The subnets whose configuration depends on a change. */
function subnetsOf({ kind, key, old, new: now }: FactChange): ReadonlySet<string> {
  // Verdicts on pools and refusals have a prefix.
  if (kind === "subnets" || (kind === "verdicts" && !key.includes("/"))) return new Set([key]);
  if (kind !== "ipPools") return NONE;
  return new Set([old, now].flatMap((pool) => (pool as FactTypes["ipPools"] | undefined)?.subnet ?? []));
}

const NONE: ReadonlySet<string> = new Set();

function recordOf({ name, subnet, v4, v6, mac }: IpFact): IpRecord {
  return { owner: name, subnet, v4, v6, mac };
}

const ORPHAN = "port/";

/** The owner in IPAM of the address of a port without record and pod. */
function orphanOwner(port: string): string {
  return `${ORPHAN}${port}`;
}
