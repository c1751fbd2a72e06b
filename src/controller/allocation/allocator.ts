// SPDX-License-Identifier: Apache-2.0

import { type AnyClaimKind, type Claim, type Claimant, claimId, isSameClaim, type Wanted } from "../../claims/claim.ts";
import { podClaimId, podClaims } from "../../claims/pod.ts";
import { dependenciesOfRefusal, ipamDependency, sameRequestKey } from "../../claims/retry-dependencies.ts";
import { ipObject, type SubnetHolder } from "../../compile/subnet/subnet-validation.ts";
import type { FailureSubject } from "../../desired/failures.ts";
import { splitUnitId, unitId } from "../../desired/unit-kind.ts";
import type { FactChange } from "../../facts/fact-change.ts";
import type { PodFact } from "../../facts/pod.ts";
import type { FactKind } from "../../facts/types.ts";
import type { Refusal } from "../../ipam/refusal.ts";
import type { AddressLease, AddressRequest, AllocationDecision } from "../../ipam/types.ts";
import { CLAIM_KINDS } from "../../kinds/claims.ts";
import { ClaimTracker } from "./claim-tracker.ts";
import { LeaseRegistry, type LeaseRegistryOptions } from "./lease-registry.ts";
import { type AddressRecord, Recordings } from "./recordings.ts";
import { Refusals, type RefusalsOptions } from "./refusals.ts";

/** The allocator's callbacks. It only decides; others write and report. */
export interface AllocatorOptions extends Omit<LeaseRegistryOptions, "kinds">, RefusalsOptions {
  /** Writes a record; it replaces an earlier one of the same name that is not written yet. */
  readonly record: (record: AddressRecord) => void;
  /**
   * Withdraws the record of that name. True if it was not being written yet; false if the outcome must be awaited, because the address may be taken.
   */
  readonly withdraw: (name: string) => boolean;
  /** An address was decided for this object. */
  readonly decided?: (claimant: Claimant, lease: AddressLease) => void;
  /** The address of this owner, which is the name of an IP object, can be given to others. */
  readonly released?: (owner: string, subnet: string) => void;
}

/**
 * Decides the allocation of addresses: the only part of the controller with state of its own. The state is rebuilt from the IP objects, the Vips, the
 * pods and the northbound database when a leader starts, and follows the informers afterwards.
 *
 * Claims (`src/claims`) are read again when something changes that they have read. A claim that IPAM refuses waits for the obstacle: free addresses
 * in a subnet, or the release of another lease. There is no timer here.
 */
export class Allocator {
  readonly #options: AllocatorOptions;
  readonly #holdings: LeaseRegistry;
  readonly #tracker: ClaimTracker;
  readonly #refusals: Refusals;
  readonly #recordings = new Recordings();
  /** Owners whose leases were released, and the subnets, since waiting claims were last served. */
  readonly #freed: (readonly [owner: string, subnet: string])[] = [];
  #active = false;
  #busy = false;

  constructor(options: AllocatorOptions, kinds: readonly AnyClaimKind[] = CLAIM_KINDS) {
    this.#options = options;
    this.#holdings = new LeaseRegistry({ ...options, kinds });
    this.#tracker = new ClaimTracker(options.facts, kinds, (claimant) => this.#work(() => this.#look(claimant)));
    this.#refusals = new Refusals(options);
    options.ipam.onFreed((subnet, owner) => {
      this.#tracker.touch(ipamDependency.room(subnet));
      if (owner !== undefined) this.#freed.push([owner, subnet]);
    });
  }

  /** The number of claims that wait for an address. */
  get waiting(): number {
    return this.#refusals.size;
  }

  /** Whether it was reported to a pod why one of its interfaces has no address. */
  isReported(pod: PodFact, provider: string): boolean {
    return this.#refusals.has(podClaimId(pod, provider));
  }

  /** Whether an address was decided for an owner and is being recorded. */
  isRecording(owner: string): boolean {
    return this.#recordings.get(owner) !== undefined;
  }

  /** The owners of addresses in a subnet that are being recorded. O(all that are being recorded). */
  recordingIn(subnet: string): readonly SubnetHolder[] {
    const holders: SubnetHolder[] = [];
    for (const [owner, { recordedIn }] of this.#recordings.entries()) {
      const lease = this.#options.ipam.leaseOf(owner);
      if (lease?.subnet !== subnet) continue;
      const { v4 = "", v6 = "" } = lease;
      const { kind, key } = recordedIn;
      holders.push({ who: kind === "ips" ? ipObject(key) : `${kind}/${key}`, v4, v6 });
    }
    return holders;
  }

  /** Serves a pod again, independent of earlier decisions. */
  retry(pod: PodFact): void {
    this.#work(() => this.#look(unitId(podClaims.facts, pod.holder)));
  }

  /** Starts to decide: restores all leases, then serves all claims. */
  start(): void {
    this.#active = true;
    this.#work(() => {
      this.#holdings.start();
      this.#tracker.markAll();
    });
  }

  /** Stops deciding. The next leader starts from the objects. */
  stop(): void {
    this.#active = false;
    this.#refusals.clear();
    this.#recordings.clear();
    this.#tracker.clear();
    this.#holdings.stop();
    this.#freed.length = 0;
  }

  /** A fact has changed; for {@link FactStore.derive}. */
  configure(change: FactChange): void {
    if (this.#active) this.#holdings.configure(change);
  }

  /** A fact has changed, and {@link configure} has been called. */
  noteFact(change: FactChange): void {
    this.#work(() => {
      // For the new version of a record it is decided again whether it must be deleted.
      if (change.kind === "ips") this.#options.keep(change.key);
      const own = this.#tracker.note(change);
      this.#noteRecording(change);
      this.#holdings.noteFact(change, () => {
        for (const claimant of own) this.#look(claimant);
      });
    });
  }

  /** A record was withdrawn without a write, so its address is free again. */
  dropped(name: string): void {
    this.#work(() => {
      const claim = this.#recordings.delete(name);
      // Otherwise the object exists already and is used.
      if (claim !== undefined && !this.#holdings.isRecorded(claim.recordedIn)) this.#holdings.letGo(name);
      this.#tracker.touch(ipamDependency.recording(name));
    });
  }

  /** Runs `work`, and then serves all claims that it triggered. */
  #work(step: () => void): void {
    if (!this.#active) return;
    if (this.#busy) {
      step();
      return;
    }
    this.#busy = true;
    try {
      step();
      for (;;) {
        for (const [owner, subnet] of this.#freed.splice(0)) this.#noteFreed(owner, subnet);
        const next = this.#tracker.take();
        if (next === undefined) return;
        this.#look(next);
      }
    } finally {
      this.#busy = false;
    }
  }

  /** Objects that name the freed address come first, then waiting claims. */
  #noteFreed(owner: string, subnet: string): void {
    // A name with a slash is that of the subnet's own addresses, as its gateway's.
    if (!owner.includes("/")) this.#options.released?.(owner, subnet);
    this.#holdings.noteFreed(owner);
    this.#options.usageChanged(subnet);
    this.#tracker.touch(ipamDependency.lease(owner));
  }

  /**
   * An object that should record an address was created or changed: usually by that write. If another client was first, the decision is dropped and
   * the object's contents are used.
   */
  #noteRecording({ kind, key, old, new: now }: FactChange): void {
    const owner = this.#recordings.ownerOf(kind, key);
    // Neither: the object exists but could not be read.
    if (owner === undefined || (old === undefined && now === undefined)) return;
    this.#recordings.delete(owner);
    this.#options.withdraw(owner);
    this.#tracker.touch(ipamDependency.recording(owner));
    // A deleted record does not change what was decided.
    const gone = now === undefined && this.#holdings.heldBy(kind, old) !== undefined;
    if (!gone && !this.#holdings.agrees(owner, this.#holdings.heldBy(kind, now))) this.#options.ipam.release(owner);
  }

  /** Serves a claimant. If our own code throws, it is retried after a pause, and other claimants are served. */
  #look(claimant: string): void {
    const read = this.#tracker.read(claimant);
    if (read === undefined) return;
    const { claims, gone } = read;
    const { failures } = this.#options.facts;
    try {
      for (const claim of gone) this.#giveUp(claim, claims);
      for (const claim of claims) this.#serve(claim, claimant);
      if (claims.length === 0) this.#noteUnwanted(claimant);
      this.#follow(claims);
    } catch (error) {
      // Claims behind it in a queue need not wait for it.
      for (const claim of claims) this.#tracker.leave(claimId(claim));
      failures.failed(decisionAbout(claimant), error, () => this.#work(() => this.#look(claimant)));
      return;
    }
    if (failures.size > 0) failures.succeeded(decisionAbout(claimant));
  }

  #noteUnwanted(claimant: string): void {
    const { kind, key } = splitUnitId(claimant);
    this.#holdings.noteUnwanted(kind as FactKind, key);
  }

  /** A claim that is being recorded only waits for the outcome. This avoids storing dependencies of thousands of pods for a moment. */
  #follow(claims: readonly Claim[]): void {
    const isRecording = (claim: Claim): boolean => {
      const recording = this.#recordings.get(claim.owner ?? "");
      return recording !== undefined && isSameClaim(recording, claim);
    };
    if (claims.length === 0 || !claims.every(isRecording)) this.#tracker.follow();
    else this.#tracker.follow(claims.map(({ owner = "" }) => ipamDependency.recording(owner)));
  }

  /** The claim does not exist any more: it is met or not wanted. A lease that is not recorded must be released here. */
  #giveUp(claim: Claim, others: readonly Claim[]): void {
    this.#settled(claim);
    const { owner, predecessor } = claim;
    if (predecessor !== undefined) this.#options.keep(predecessor.ip.name);
    if (owner === undefined) return;
    const recording = this.#recordings.get(owner);
    if (recording !== undefined) {
      if (isSameClaim(recording, claim) && this.#options.withdraw(owner)) this.dropped(owner);
    } else if (!this.#holdings.isRecorded(claim.recordedIn) && !others.some((other) => other.owner === owner)) {
      this.#holdings.letGo(owner);
    }
  }

  #serve(claim: Claim, claimant: string): void {
    const { owner = "", desired } = claim;
    const id = claimId(claim);
    const recording = this.#recordings.get(owner);
    if (recording !== undefined) {
      // Of two pods of one virtual machine the other one may have it.
      if (!isSameClaim(recording, claim)) this.#tracker.wait(id, claimant, [ipamDependency.recording(owner)]);
      return;
    }
    const decision = desired?.ok === true ? this.#decide(claim, desired.request) : desired;
    this.#settlePredecessor(claim, decision);
    if (desired?.ok === true && decision?.ok === true) {
      this.#record(claim, desired.record, decision.lease);
      return;
    }
    if (decision?.ok === false) this.#refuse(claim, decision);
    // If facts are the obstacle, the claim has read them.
    if (desired?.ok === true && decision?.ok === false) this.#wait(claim, claimant, desired.request, decision);
    else this.#tracker.leave(id);
  }

  /**
   * The record of an earlier pod of the same name is deleted if its successor wants another address, or if the successor is refused and the address
   * is not retained.
   */
  #settlePredecessor({ predecessor }: Claim, decision: AllocationDecision | undefined): void {
    if (predecessor === undefined) return;
    const { ip, kept } = predecessor;
    if (decision === undefined || (!decision.ok && !kept)) this.#options.discard(ip);
    else this.#options.keep(ip.name);
  }

  /** Calls IPAM; `undefined` if a record must be deleted first. */
  #decide({ predecessor, explain }: Claim, request: AddressRequest): AllocationDecision | undefined {
    const { facts, ipam } = this.#options;
    // Until the old record is deleted its address is in use: nothing is allocated or released here.
    let decision = predecessor === undefined ? ipam.allocate(request) : ipam.decide(request);
    // It keeps its address and gets another one: its subnet has got another family.
    if (predecessor !== undefined && decision.ok && decision.how === "extended") decision = ipam.allocate(request);
    if (!decision.ok) return explain?.(facts, decision) ?? decision;
    if (predecessor !== undefined && decision.how !== "same" && decision.how !== "extended") {
      // The new pod wants another address than the earlier pod with its name had: the record is recreated, not changed.
      return undefined;
    }
    // The port still has the former address of its owner.
    if (decision.how === "moved") this.#holdings.holdPort(request.owner);
    return decision;
  }

  #record(claim: Claim, record: Wanted["record"], lease: AddressLease): void {
    const write = record(lease);
    this.#settled(claim);
    this.#recordings.add(lease.owner, claim);
    this.#options.record({ name: lease.owner, lease, write });
    this.#options.decided?.(claim.claimant, lease);
    this.#options.usageChanged(lease.subnet);
  }

  #refuse(claim: Claim, refusal: Refusal): void {
    const { owner, fresh, recordedIn } = claim;
    // An object that records its own address, does not record one any more and is refused another one, has none.
    const lost = recordedIn.kind !== "ips" && !this.#holdings.isRecorded(recordedIn);
    // The address that its port had when this leader started is not kept if the request is invalid; it may be valid later if a subnet is ready again.
    if ((fresh || lost) && owner !== undefined && refusal.code !== "SubnetNotReady") this.#holdings.letGo(owner);
    this.#refusals.add(claim, refusal);
  }

  /** A claim that IPAM refused waits for the obstacle. */
  #wait(claim: Claim, claimant: string, request: AddressRequest, refusal: Refusal): void {
    const { facts, ipam } = this.#options;
    // Equal requests without a lease share one queue: a thousand may wait for one free address. Claims with a condition are tried individually, so
    // that the condition stays correct.
    const { predecessor, verdict } = claim;
    const hasNone = predecessor === undefined && verdict === undefined && ipam.leaseOf(request.owner) === undefined;
    const line = refusal.code === "NoAvailableAddress" && hasNone ? [sameRequestKey(request)] : [];
    this.#tracker.wait(claimId(claim), claimant, dependenciesOfRefusal(facts, request, refusal), ...line);
  }

  /** A claim has ended. */
  #settled(claim: Claim): void {
    const id = claimId(claim);
    this.#tracker.leave(id);
    this.#refusals.delete(id);
  }
}

function decisionAbout(claimant: string): FailureSubject {
  return { part: "claim", where: "decision", ...splitUnitId(claimant) };
}
