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
import type { Refusal } from "../../ipam/refusal.ts";
import { holderText } from "../../ipam/refusal-messages.ts";
import type { IpRecord } from "../../ipam/reserve.ts";
import {
  byAge,
  isRunning,
  isToldReservation,
  lostRecordMessage,
  type RecoveredLease,
  recoverLeases,
} from "./startup-recovery.ts";
import { configureNodes, configureSubnet } from "./subnet-configuration.ts";

/** What holdings follow, and what they tell. */
export interface LeaseRegistryOptions {
  readonly facts: FactStore;
  readonly ipam: Ipam;
  /** Of the cluster's rows in the northbound database. */
  readonly rowUuid: RowUuid;
  /** The kinds of claims; objects of some hold what they were given by their own word. */
  readonly kinds: readonly AnyClaimKind[];
  /** An object stands in the way of another address, or its address is another's: it must be deleted. Called again for each version of it. */
  readonly discard: (ip: IpFact) => void;
  /** An object need not be deleted, or is deleted; also called for objects that were never to be deleted. */
  readonly keep: (name: string) => void;
  /** A record and something else disagree about an address, and how that was resolved: said once for each record. */
  readonly disputed: (ip: IpFact, message: string) => void;
  /** A pod's record was lost, and what became of its address. */
  readonly restored: (pod: PodFact, message: string) => void;
  /** The counters of a subnet have changed. */
  readonly usageChanged: (subnet: string) => void;
}

/**
 * Who holds which address, by what is there: records, other objects that say so of themselves, pods and ports. It tells IPAM that and how subnets are
 * configured, and says where two name the same.
 */
export class LeaseRegistry {
  readonly #options: LeaseRegistryOptions;
  /** Names of ports whose addresses are held although neither a record nor a pod speaks for them → those addresses. */
  readonly #orphans = new Map<string, PortFact>();
  /** Owner → the object (`kind`, `key`) that says it holds something; IP objects are not among them. */
  readonly #objects = new Map<string, readonly [kind: FactKind, key: string]>();
  /** `kind/key` of such an object → the owner, for as long as the object is there: also when it does not say so any more. */
  readonly #owners = new Map<string, string>();
  /** Owner → the owners whose objects name what it holds. */
  readonly #inTheWay = new Map<string, Set<string>>();

  /** Kinds whose objects hold something by their own word → what one of them holds. */
  readonly #holds: ReadonlyMap<FactKind, (fact: never) => IpRecord | undefined>;

  constructor(options: LeaseRegistryOptions) {
    this.#options = options;
    this.#holds = new Map(options.kinds.flatMap(({ facts, holds }) => (holds === undefined ? [] : [[facts, holds]])));
  }

  /** Takes in how subnets are configured and all that is held, in the order in which it is to be believed. */
  start(): void {
    const { facts, ipam, rowUuid, disputed, usageChanged } = this.#options;
    configureNodes(facts, ipam);
    for (const subnet of facts.all("subnets")) this.#configure(subnet.name);
    const held = recoverLeases(facts, rowUuid);
    for (const ip of held.settled) this.#reserve(ip);
    for (const trace of held.ports) this.#restore(trace);
    // A Vip was given what was free then: it goes before a record that names its address and never got a port.
    for (const kind of this.#holds.keys()) for (const { key } of byAge(facts.all(kind))) this.#tryObject(kind, key);
    for (const ip of held.running) this.#reserve(ip);
    // Before those who can wait: two ports with one address would be in the database at once.
    for (const port of held.unowned) this.#holdOrphan(port);
    for (const ip of held.records) this.#reserve(ip);
    for (const { ip, message } of held.disagreements) disputed(ip, message);
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

  /** A fact has changed: when somebody is served, IPAM knows of all subnets, pools and nodes what the facts say. */
  configure(change: FactChange): void {
    const { facts, ipam } = this.#options;
    const { kind, key, new: now } = change;
    if (kind === "nodes") configureNodes(facts, ipam);
    if (kind === "ipPools" && now === undefined) facts.set("verdicts", poolVerdictKey(key), undefined);
    for (const subnet of subnetsOf(change)) this.#configure(subnet);
  }

  /**
   * A fact has changed, and {@link configure} has been told. `serveOwn` looks at whose record it is: of what that gave back a pod that still uses it
   * has it again first.
   */
  noteFact(change: FactChange, serveOwn: () => void): void {
    const { kind, key, new: now } = change;
    if (kind === "ips") {
      this.#noteIp(change as FactChange<"ips">, serveOwn);
      return;
    }
    if (kind === "ports") this.#notePort(key, now as PortFact | undefined);
    for (const subnet of subnetsOf(change)) this.#reserveAgain(subnet);
    if (now !== undefined) this.#reserveObject(kind, key);
    const gone = now === undefined ? this.#owners.get(`${kind}/${key}`) : undefined;
    if (gone === undefined) return;
    this.#owners.delete(`${kind}/${key}`);
    this.#objects.delete(gone);
    this.#options.facts.set("addressConflicts", gone, undefined);
    this.#options.ipam.release(gone);
  }

  /** What an object holds by its own word. */
  heldBy(kind: FactKind, fact: object | undefined): IpRecord | undefined {
    if (fact === undefined) return undefined;
    if (kind === "ips") return recordOf(fact as IpFact);
    return this.#holds.get(kind)?.(fact as never);
  }

  /** Whether an object, where there is one, says that it holds something. */
  isRecorded({ kind, key }: Claim["recordedIn"]): boolean {
    return this.heldBy(kind, this.#options.facts.get(kind, key)) !== undefined;
  }

  /** Whether an owner holds the addresses that a record says. */
  agrees(owner: string, record: IpRecord | undefined): boolean {
    const lease = this.#options.ipam.leaseOf(owner);
    const { v4 = "", v6 = "" } = lease ?? {};
    return lease?.subnet === record?.subnet && v4 === record?.v4 && v6 === record.v6;
  }

  /** Nothing speaks for what an owner holds: it is free, as soon as no port has it. */
  letGo(owner: string): void {
    if (this.#options.ipam.release(owner) !== undefined) this.holdPort(owner);
  }

  /** As long as a port has the address that its owner gave up, nobody else gets it. */
  holdPort(owner: string): void {
    const port = this.#options.facts.get("ports", owner);
    if (port !== undefined) this.#holdOrphan(port);
  }

  /** Something that an owner held is free: objects that name it have it now, the older first. */
  noteFreed(owner: string): void {
    const { facts } = this.#options;
    const waiting = this.#inTheWay.get(owner) ?? new Set();
    this.#inTheWay.delete(owner);
    // It has given way to a pod that takes its address for as long as it is there.
    for (const name of [owner, ...waiting]) {
      const object = this.#objects.get(name);
      if (object !== undefined) this.#tryObject(...object);
    }
    for (const ip of byAge([...waiting].flatMap((name) => facts.get("ips", name) ?? []))) this.#reserve(ip);
  }

  #noteIp({ old, new: now }: FactChange<"ips">, serveOwn: () => void): void {
    const { facts, ipam } = this.#options;
    if (now !== undefined) this.#reserve(now);
    if (now !== undefined || old === undefined) return;
    facts.set("addressConflicts", old.name, undefined);
    // The address is still its pod's where the pod was told of it, as it is when a leader starts: its subnet or its pool may be for others by now.
    const released = old.holder.startsWith("node:") || !isRunning(facts, old) ? ipam.release(old.name) : undefined;
    serveOwn();
    // Otherwise it is free when the port is gone as well.
    if (released !== undefined) this.holdPort(old.name);
  }

  /** An address was held for a port that is gone, or has another one. */
  #notePort(name: string, port: PortFact | undefined): void {
    const held = this.#orphans.get(name);
    if (held === undefined || (port?.v4 === held.v4 && port.v6 === held.v6)) return;
    this.#orphans.delete(name);
    this.#options.ipam.release(orphanOwner(name));
  }

  /** An IP object holds what it names. */
  #reserve(ip: IpFact): void {
    if (ip.v4 === "" && ip.v6 === "" && ip.mac === "") return;
    const { ipam, facts, disputed, discard, keep, usageChanged } = this.#options;
    const { name, subnet } = ip;
    const record = recordOf(ip);
    const { conflicts } = ipam.reserve(record);
    usageChanged(subnet);
    // Whoever holds an odd address (outside of a subnet that has shrunk, the gateway's) goes on holding it; that is only said.
    for (const { code, message } of conflicts) if (!isClash(code)) disputed(ip, message);
    const clash = this.#clashOf(name, conflicts);
    const ghost = clash?.holder?.startsWith(ORPHAN) === true ? holderText(clash.holder) : undefined;
    // What a user reserves is kept free in any case, but no pod of another namespace gets it by that.
    const foreign =
      ip.reserved && !isToldReservation(facts, ip) ? ipam.poolRefusal(record, namespaceOf(ip))?.message : undefined;
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
    if (before !== message) disputed(ip, message);
    // What only a port stands in the way of waits for that to go. Otherwise the earlier record stands: a record that the controller
    // made itself goes, and its pod is given another address; one that a user made is left to the user.
    if (!ip.reserved && !ip.deleting && ghost === undefined) discard(ip);
    else keep(name);
  }

  /** As `#reserveObject`, of one among many: where our own code throws it is retried after a back-off, and the others are served. */
  #tryObject(kind: FactKind, key: string, subnet?: string): void {
    const subject = { part: "claim", where: "what it holds", kind, key } as const;
    this.#options.facts.failures.run(subject, () => this.#reserveObject(kind, key, subnet));
  }

  /** An object holds what it says, or will when the one in its way lets go. Where a subnet is named: if it is of that. */
  #reserveObject(kind: FactKind, key: string, subnet?: string): void {
    const { facts, ipam } = this.#options;
    const held = this.heldBy(kind, facts.get(kind, key));
    if (held === undefined || (subnet !== undefined && held.subnet !== subnet)) return;
    const { owner } = held;
    this.#objects.set(owner, [kind, key]);
    this.#owners.set(`${kind}/${key}`, owner);
    const clash = this.#clashOf(owner, ipam.reserve(held).conflicts);
    // Another client wrote its status, as in a copy of an object.
    facts.set("addressConflicts", owner, clash && disputeOfObject(owner, clash));
  }

  /** The first conflict with somebody who has it already; that one is remembered. */
  #clashOf(owner: string, conflicts: readonly Refusal[]): Refusal | undefined {
    const clash = conflicts.find(({ code }) => isClash(code));
    if (clash?.holder === undefined) return clash;
    const waiting = this.#inTheWay.get(clash.holder);
    if (waiting === undefined) this.#inTheWay.set(clash.holder, new Set([owner]));
    else waiting.add(owner);
    return clash;
  }

  /** What is remembered of an address whose record is lost: all or nothing, for with half of what it had a pod cannot go on. */
  #restore(trace: RecoveredLease): void {
    const { ipam, restored } = this.#options;
    const { pod, owner } = trace;
    // Anybody may have written what a pod has in its annotations, where neither a record nor a port says the same.
    const foreign = trace.source === "its annotations" && pod ? ipam.poolRefusal(trace, pod.namespace) : undefined;
    const clash = foreign ?? ipam.reserve(trace).conflicts.find(({ code }) => isClash(code));
    if (clash !== undefined && foreign === undefined) ipam.release(owner);
    if (pod !== undefined) restored(pod, lostRecordMessage(trace, clash?.message));
  }

  /** Nobody else gets the address of a port that is there. */
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

  /** Two that have one MAC and come into one network are told: neither gives it up by itself. */
  #configure(subnet: string): void {
    const { facts, ipam, disputed } = this.#options;
    for (const { holder = "", message } of configureSubnet(facts, ipam, subnet)) {
      const ip = facts.get("ips", holder);
      if (ip !== undefined) disputed(ip, message);
    }
  }

  /** Records that came before their subnet could not be held until now. */
  #reserveAgain(subnet: string): void {
    const { facts, usageChanged } = this.#options;
    for (const ip of byAge(facts.by("ips", "subnet", subnet))) this.#reserve(ip);
    for (const [kind, key] of this.#objects.values()) this.#tryObject(kind, key, subnet);
    usageChanged(subnet);
  }
}

/** Whether a conflict is one of two records that name the same. */
function isClash(code: Refusal["code"]): boolean {
  return code === "AddressInUse" || code === "MacInUse";
}

function disputeOfObject(owner: string, { value = "", holder = "" }: Refusal): AddressConflictFact {
  const message = `its status has ${value}, which is in use by ${holderText(holder)}; delete one of the two, or remove the status of this one`;
  return { key: owner, message, holder };
}

/** The subnets that are configured otherwise by a change. */
function subnetsOf({ kind, key, old, new: now }: FactChange): ReadonlySet<string> {
  // Verdicts on pools and on what was refused have a prefix.
  if (kind === "subnets" || (kind === "verdicts" && !key.includes("/"))) return new Set([key]);
  if (kind !== "ipPools") return NONE;
  return new Set([old, now].flatMap((pool) => (pool as FactTypes["ipPools"] | undefined)?.subnet ?? []));
}

const NONE: ReadonlySet<string> = new Set();

function recordOf({ name, subnet, v4, v6, mac }: IpFact): IpRecord {
  return { owner: name, subnet, v4, v6, mac };
}

const ORPHAN = "port/";

/** The owner in IPAM of the address of a port for which nobody speaks. */
function orphanOwner(port: string): string {
  return `${ORPHAN}${port}`;
}
