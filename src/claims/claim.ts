// SPDX-License-Identifier: Apache-2.0

import type { FactChange } from "../facts/fact-change.ts";
import type { IpFact } from "../facts/ip.ts";
import type { FactReader } from "../facts/store.ts";
import type { FactKind, FactTypes, ObjectKind } from "../facts/types.ts";
import type { IpRecord } from "../ipam/recorded-lease.ts";
import type { Refusal } from "../ipam/refusal.ts";
import type { AddressLease, AddressRequest } from "../ipam/types.ts";

/** The object that an address is for, and to which the result is reported. */
export interface Claimant {
  readonly kind: ObjectKind;
  readonly key: string;
  readonly name: string;
  readonly namespace?: string;
  readonly uid: string;
}

/** How a lease is recorded in Kubernetes: one write of an object, which becomes facts of `kind`. */
export type RecordWrite =
  | { readonly verb: "create"; readonly kind: ObjectKind; readonly body: RecordBody }
  /** A merge patch; its `metadata` has the UID and the resource version that the decision is based on. */
  | {
      readonly verb: "patch";
      readonly kind: ObjectKind;
      /** Of a namespaced object. */
      readonly namespace?: string;
      readonly name: string;
      readonly body: RecordBody;
      /** If the record is in the status, which is written separately. */
      readonly subresource?: "status";
    };

interface RecordBody {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

/** A valid request. */
export interface Wanted {
  readonly ok: true;
  readonly request: AddressRequest;
  /** The record to write when it is granted. */
  readonly record: (lease: AddressLease) => RecordWrite;
}

/** An object wants an address that it does not have yet. An object that has it has no claim. */
export interface Claim {
  readonly claimant: Claimant;
  /** Distinguishes the claims of one object (the interface of a pod) in messages: refusals begin with it. */
  readonly subject?: string;
  /** The owner in IPAM; absent if it is not known. */
  readonly owner?: string;
  /** The request, or why it is invalid; absent while an obstacle is about to be removed. */
  readonly desired: Wanted | Refusal | undefined;
  /** The object that records the address. */
  readonly recordedIn: { readonly kind: ObjectKind; readonly key: string };
  /** No object records the owner's lease, so it does not keep what it may not have. */
  readonly fresh?: true;
  /**
   * The record of an earlier object with the same name. It is taken over if the address is the requested one, and deleted otherwise; unless the claim
   * is refused and it is `kept` for another successor.
   */
  readonly predecessor?: { readonly ip: IpFact; readonly kept: boolean };
  /** The key of the verdict with the refusal, for objects that have conditions or that others wait for. */
  readonly verdict?: string;
  /** IPAM's refusal with details that only facts have. */
  readonly explain?: (reader: FactReader, refusal: Refusal) => Refusal;
}

/**
 * A kind of objects that want addresses. What `read` reads is recorded, so a claim is retried when any of that changes, or when addresses become
 * free in IPAM where there were none.
 */
export interface ClaimKind<K extends FactKind = FactKind> {
  /** The facts of the objects, different for each kind. */
  readonly facts: K;
  /** Lower values are decided first. */
  readonly rank: number;
  /** The keys to read because of a change, if they differ from the keys of the facts. */
  readonly keysOf?: (change: FactChange) => readonly string[];
  /** The claims of the object with this key; `undefined` if it does not exist and need not be read again until `keysOf` returns it. */
  readonly read: (reader: FactReader, key: string) => readonly Claim[] | undefined;
  /**
   * The lease that such an object records itself. For kinds whose leases are recorded in IP objects: nothing.
   */
  readonly holds?: (fact: FactTypes[K]) => IpRecord | undefined;
}

/** A kind with any facts. */
export type AnyClaimKind = { [K in FactKind]: ClaimKind<K> }[FactKind];

/** A claim's id: the kind and key of its object, and what distinguishes it from the object's other claims. */
export function claimId({ claimant: { kind, key }, subject }: Pick<Claim, "claimant" | "subject">): string {
  return subject === undefined ? `${kind}/${key}` : `${kind}/${key}/${subject}`;
}

/** Whether two claims are equal and of the same object. */
export function isSameClaim(a: Claim, b: Claim): boolean {
  return a === b || (a.owner === b.owner && a.claimant.uid === b.claimant.uid && claimId(a) === claimId(b));
}
