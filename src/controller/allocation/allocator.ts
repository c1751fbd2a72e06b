// SPDX-License-Identifier: Apache-2.0

import { type AnyClaimKind, type Claim, type Claimant, claimId, isSameClaim, type Wanted } from "../../claims/claim.ts";
import { podClaimId, podClaims } from "../../claims/pod.ts";
import { dependenciesOfRefusal, ipamDependency, sameRequestKey } from "../../claims/retry-dependencies.ts";
import { ipObject, type SubnetHolder } from "../../compile/subnet/subnet-verdict.ts";
import type { FailureSubject } from "../../desired/failures.ts";
import { splitUnitId, unitId } from "../../desired/unit-kind.ts";
import type { FactChange } from "../../facts/fact-change.ts";
import type { PodFact } from "../../facts/pod.ts";
import type { Refusal } from "../../ipam/refusal.ts";
import type { AddressLease, AddressRequest, AllocationDecision } from "../../ipam/types.ts";
import { CLAIM_KINDS } from "../../kinds/claims.ts";
import { ClaimTracker } from "./claim-tracker.ts";
import { LeaseRegistry, type LeaseRegistryOptions } from "./lease-registry.ts";
import { type AddressRecord, Recordings } from "./recordings.ts";
import { Refusals, type RefusalsOptions } from "./refusals.ts";

/** What the allocator tells. It decides; writing and speaking is for others. */
export interface AllocatorOptions extends Omit<LeaseRegistryOptions, "kinds">, RefusalsOptions {
  /** Record this; replaces an earlier record of the same name that is not yet written. */
  readonly record: (record: AddressRecord) => void;
  /**
   * The record of that name is not needed any more. True where it was not yet being written; false where its outcome must
   * be awaited, for until then its address may turn out to be taken.
   */
  readonly withdraw: (name: string) => boolean;
  /** An address was decided for this object. */
  readonly decided?: (claimant: Claimant) => void;
}

/**
 * Decides who gets which address: the one part of the controller that has a memory. The memory is rebuilt from the IP
 * objects, the Vips, the pods and the northbound database when a leader starts, and follows the informers afterwards.
 *
 * Who wants what are the claims (`src/claims`), which are read again when something changes that they have read. Whoever is refused by IPAM waits
 * for what is in its way there: room in a subnet, or that another lets go. There is no timer here.
 */
export class Allocator {
  readonly #options: AllocatorOptions;
  readonly #holdings: LeaseRegistry;
  readonly #tracker: ClaimTracker;
  readonly #refusals: Refusals;
  readonly #recordings = new Recordings();
  /** Whose addresses have come free, and of which subnet, since those were served who may have them. */
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

  /** How many wait for an address. */
  get waiting(): number {
    return this.#refusals.size;
  }

  /** Whether a pod was told why one of its interfaces has no address. */
  isTold(pod: PodFact, provider: string): boolean {
    return this.#refusals.has(podClaimId(pod, provider));
  }

  /** Whether an address was decided for an owner, and is being recorded. */
  isRecording(owner: string): boolean {
    return this.#recordings.get(owner) !== undefined;
  }

  /** Whose addresses in a subnet were decided, and are being recorded. Looks at all that are. */
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

  /** Serves a pod again, whatever was decided. */
  retry(pod: PodFact): void {
    this.#work(() => this.#look(unitId(podClaims.facts, pod.holder)));
  }

  /** Becomes the one who decides: takes in all that is held, then serves whoever has no address. */
  start(): void {
    this.#active = true;
    this.#work(() => {
      this.#holdings.start();
      this.#tracker.markAll();
    });
  }

  /** Decides no more. The next leader starts from the objects. */
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

  /** A fact has changed, and {@link configure} has been told. */
  noteFact(change: FactChange): void {
    this.#work(() => {
      // Whether the record must be deleted is decided again for its new version.
      if (change.kind === "ips") this.#options.keep(change.key);
      const own = this.#tracker.note(change);
      this.#noteRecording(change);
      this.#holdings.noteFact(change, () => {
        for (const claimant of own) this.#look(claimant);
      });
    });
  }

  /** A record was given up: nothing was written, so its address is free again. */
  dropped(name: string): void {
    this.#work(() => {
      const claim = this.#recordings.delete(name);
      // Otherwise the object has come meanwhile, and speaks for itself.
      if (claim !== undefined && !this.#holdings.isRecorded(claim.recordedIn)) this.#holdings.letGo(name);
      this.#tracker.touch(ipamDependency.recording(name));
    });
  }

  /** Does something, and then serves all whom that concerns. */
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

  /** Objects that name what is free come first, then those who wait for it. */
  #noteFreed(owner: string, subnet: string): void {
    this.#holdings.noteFreed(owner);
    this.#options.usageChanged(subnet);
    this.#tracker.touch(ipamDependency.lease(owner));
  }

  /**
   * An object has come or changed in which an address was to be recorded: usually that record. If another client was first, the decision
   * will never be recorded and is dropped; the object's contents count.
   */
  #noteRecording({ kind, key, old, new: now }: FactChange): void {
    const owner = this.#recordings.ownerOf(kind, key);
    // Neither: it is there, but could not be read.
    if (owner === undefined || (old === undefined && now === undefined)) return;
    this.#recordings.delete(owner);
    this.#options.withdraw(owner);
    this.#tracker.touch(ipamDependency.recording(owner));
    // A record that is gone is no news of what was decided.
    const gone = now === undefined && this.#holdings.heldBy(kind, old) !== undefined;
    if (!gone && !this.#holdings.agrees(owner, this.#holdings.heldBy(kind, now))) this.#options.ipam.release(owner);
  }

  /** Serves a claimant. Where our own code throws at its claims it is looked at once more after a pause, and nobody else waits for that. */
  #look(claimant: string): void {
    const read = this.#tracker.read(claimant);
    if (read === undefined) return;
    const { claims, gone } = read;
    const { failures } = this.#options.facts;
    try {
      for (const claim of gone) this.#giveUp(claim, claims);
      for (const claim of claims) this.#serve(claim, claimant);
      this.#follow(claims);
    } catch (error) {
      // Whoever is behind it in a line need not wait for it.
      for (const claim of claims) this.#tracker.leave(claimId(claim));
      failures.failed(decisionAbout(claimant), error, () => this.#work(() => this.#look(claimant)));
      return;
    }
    if (failures.size > 0) failures.succeeded(decisionAbout(claimant));
  }

  /** Of what is being recorded nothing matters but what comes of that: thousands of pods would note what they have read, and forget it at once. */
  #follow(claims: readonly Claim[]): void {
    const isRecording = (claim: Claim): boolean => {
      const recording = this.#recordings.get(claim.owner ?? "");
      return recording !== undefined && isSameClaim(recording, claim);
    };
    if (claims.length === 0 || !claims.every(isRecording)) this.#tracker.follow();
    else this.#tracker.follow(claims.map(({ owner = "" }) => ipamDependency.recording(owner)));
  }

  /** Nobody makes this claim any more: it is met, or nobody wants that address. What is not recorded nobody else would give back. */
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
      // Of two pods of one machine the other one's may be.
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
    // Where facts are in its way it has read them.
    if (desired?.ok === true && decision?.ok === false) this.#wait(claim, claimant, desired.request, decision);
    else this.#tracker.leave(id);
  }

  /** The record of an earlier pod of the same name is deleted if its successor wants another address, or if the successor is refused and the address is not retained. */
  #settlePredecessor({ predecessor }: Claim, decision: AllocationDecision | undefined): void {
    if (predecessor === undefined) return;
    const { ip, kept } = predecessor;
    if (decision === undefined || (!decision.ok && !kept)) this.#options.discard(ip);
    else this.#options.keep(ip.name);
  }

  /** Asks IPAM; nothing where a record has to go first. */
  #decide({ predecessor, explain }: Claim, request: AddressRequest): AllocationDecision | undefined {
    const { facts, ipam } = this.#options;
    // Until the old record is gone its address is taken, whatever its successor is to get: nothing is taken or let go here.
    let decision = predecessor === undefined ? ipam.allocate(request) : ipam.decide(request);
    // What it keeps is the same, but there is more: its subnet has got another family.
    if (predecessor !== undefined && decision.ok && decision.how === "extended") decision = ipam.allocate(request);
    if (!decision.ok) return explain?.(facts, decision) ?? decision;
    if (predecessor !== undefined && decision.how !== "same" && decision.how !== "extended") {
      // The successor wants something else than its namesake had: the record is recreated, not bent.
      return undefined;
    }
    // The port is still where its owner was before.
    if (decision.how === "moved") this.#holdings.holdPort(request.owner);
    return decision;
  }

  #record(claim: Claim, record: Wanted["record"], lease: AddressLease): void {
    const write = record(lease);
    this.#settled(claim);
    this.#recordings.add(lease.owner, claim);
    this.#options.record({ name: lease.owner, lease, write });
    this.#options.decided?.(claim.claimant);
    this.#options.usageChanged(lease.subnet);
  }

  #refuse(claim: Claim, refusal: Refusal): void {
    const { owner, fresh } = claim;
    // What its port had when this leader started is not kept for one that asks for what it cannot have; a closed subnet opens again.
    if (fresh && owner !== undefined && refusal.code !== "SubnetNotReady") this.#holdings.letGo(owner);
    this.#refusals.add(claim, refusal);
  }

  /** What IPAM has refused waits for what is in its way there. */
  #wait(claim: Claim, claimant: string, request: AddressRequest, refusal: Refusal): void {
    const { facts, ipam } = this.#options;
    // Those who ask for the same and have nothing yet stand in one line: a thousand may wait for the one that has come free. A condition is kept true.
    const { predecessor, verdict } = claim;
    const hasNone = predecessor === undefined && verdict === undefined && ipam.leaseOf(request.owner) === undefined;
    const line = refusal.code === "NoAvailableAddress" && hasNone ? [sameRequestKey(request)] : [];
    this.#tracker.wait(claimId(claim), claimant, dependenciesOfRefusal(facts, request, refusal), ...line);
  }

  /** A claim is over. */
  #settled(claim: Claim): void {
    const id = claimId(claim);
    this.#tracker.leave(id);
    this.#refusals.delete(id);
  }
}

function decisionAbout(claimant: string): FailureSubject {
  return { part: "claim", where: "decision", ...splitUnitId(claimant) };
}
