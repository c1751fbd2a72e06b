// SPDX-License-Identifier: Apache-2.0

import type { FactChange } from "../facts/fact-change.ts";
import type { IpFact } from "../facts/ip.ts";
import type { FactReader } from "../facts/store.ts";
import type { FactKind, FactTypes, ObjectKind } from "../facts/types.ts";
import type { Refusal } from "../ipam/refusal.ts";
import type { IpRecord } from "../ipam/reserve.ts";
import type { AddressLease, AddressRequest } from "../ipam/types.ts";

/** The object that an address is for, as far as it is told what came of that. */
export interface Claimant {
  readonly kind: ObjectKind;
  readonly key: string;
  readonly name: string;
  readonly namespace?: string;
  readonly uid: string;
}

/** How a lease is written into Kubernetes: one write, of an object that becomes facts of `kind`. */
export type RecordWrite =
  | { readonly verb: "create"; readonly kind: ObjectKind; readonly body: RecordBody }
  /** A merge patch; its `metadata` names the UID and the resource version on which it was decided. */
  | {
      readonly verb: "patch";
      readonly kind: ObjectKind;
      readonly name: string;
      readonly body: RecordBody;
      /** Where the record is the status, and that is written beside the object. */
      readonly subresource?: "status";
    };

interface RecordBody {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

/** A request that may be met. */
export interface Wanted {
  readonly ok: true;
  readonly request: AddressRequest;
  /** What is to be written when it is. */
  readonly record: (lease: AddressLease) => RecordWrite;
}

/** Somebody wants an address that it does not have yet. Whoever has what it wants makes no claim. */
export interface Claim {
  readonly claimant: Claimant;
  /** Which of several that one object wants (an interface of a pod), in words: refusals begin with it. */
  readonly subject?: string;
  /** Who holds the address in IPAM; absent where that cannot be said as things are. */
  readonly owner?: string;
  /** What is wanted, or why it cannot be; absent while what is in its way is about to go. */
  readonly desired: Wanted | Refusal | undefined;
  /** The object that is the record of the address, or will be. */
  readonly recordedIn: { readonly kind: ObjectKind; readonly key: string };
  /** No object speaks for what the owner holds, if anything: what it may not have it does not keep. */
  readonly fresh?: true;
  /**
   * The record of its namesake's, which is taken over if that is what is wanted, and goes otherwise; unless it is `kept` for a better successor where
   * this one is refused.
   */
  readonly predecessor?: { readonly ip: IpFact; readonly kept: boolean };
  /** The key of the verdict that says why it was refused, for whoever has a condition, or is waited for by others. */
  readonly verdict?: string;
  /** IPAM's refusal with what only facts tell. */
  readonly explain?: (reader: FactReader, refusal: Refusal) => Refusal;
}

/**
 * A kind of objects that want addresses. What `read` asks for is recorded, so what makes it worth another try is never listed by hand: that
 * something changes that was read, or that IPAM gets room where it had none.
 */
export interface ClaimKind<K extends FactKind = FactKind> {
  /** The facts of the objects. No two kinds have the same. */
  readonly facts: K;
  /** Smaller goes first where several are to be decided at once. */
  readonly rank: number;
  /** The keys to read because of a change, where that is not the key of each fact of the kind. */
  readonly keysOf?: (change: FactChange) => readonly string[];
  /** The claims of what has this key; `undefined` where there is no such thing, and nobody need look again until `keysOf` names it. */
  readonly read: (reader: FactReader, key: string) => readonly Claim[] | undefined;
  /**
   * What such an object holds by its own word, once its claim is recorded in it. For kinds whose claims are recorded in IP objects: nothing,
   * these speak for themselves.
   */
  readonly holds?: (fact: FactTypes[K]) => IpRecord | undefined;
}

/** A kind of whichever facts. */
export type AnyClaimKind = { [K in FactKind]: ClaimKind<K> }[FactKind];

/** A claim's id: its object's kind and key, and what tells it from the object's others. */
export function claimId({ claimant: { kind, key }, subject }: Pick<Claim, "claimant" | "subject">): string {
  return subject === undefined ? `${kind}/${key}` : `${kind}/${key}/${subject}`;
}

/** Whether two claims are the same one, of the same object. */
export function isSameClaim(a: Claim, b: Claim): boolean {
  return a === b || (a.owner === b.owner && a.claimant.uid === b.claimant.uid && claimId(a) === claimId(b));
}
