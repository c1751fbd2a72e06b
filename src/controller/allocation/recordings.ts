// SPDX-License-Identifier: Apache-2.0

import type { Claim, RecordWrite } from "../../claims/claim.ts";
import type { FactKind } from "../../facts/types.ts";
import type { AddressLease } from "../../ipam/types.ts";

/** A decision to be recorded in Kubernetes before anything uses it. */
export interface AddressRecord {
  /** The owner in IPAM. */
  readonly name: string;
  readonly lease: AddressLease;
  readonly write: RecordWrite;
}

/** The decided claims that are being recorded: one for each owner and each object that records it. */
export class Recordings {
  /** Owner → its claim. */
  readonly #claims = new Map<string, Claim>();
  /** `kind/key` of the object → the owner, if they differ: an IP object has its owner's name. */
  readonly #owners = new Map<string, string>();

  /** The claim that is being recorded for an owner. */
  get(owner: string): Claim | undefined {
    return this.#claims.get(owner);
  }

  /** The owner whose address is being recorded in an object. */
  ownerOf(kind: FactKind, key: string): string | undefined {
    if (kind === "ips") return this.#claims.get(key)?.recordedIn.kind === kind ? key : undefined;
    return this.#owners.size === 0 ? undefined : this.#owners.get(`${kind}/${key}`);
  }

  /** The owners and their records. */
  entries(): Iterable<readonly [owner: string, claim: Claim]> {
    return this.#claims;
  }

  /** Adds a record. */
  add(owner: string, claim: Claim): void {
    this.#claims.set(owner, claim);
    const { kind, key } = claim.recordedIn;
    if (kind !== "ips") this.#owners.set(`${kind}/${key}`, owner);
  }

  /** Removes a record, written or not, and returns it. */
  delete(owner: string): Claim | undefined {
    const claim = this.#claims.get(owner);
    if (claim === undefined) return undefined;
    this.#claims.delete(owner);
    const { kind, key } = claim.recordedIn;
    if (kind !== "ips") this.#owners.delete(`${kind}/${key}`);
    return claim;
  }

  /** Removes all records. */
  clear(): void {
    this.#claims.clear();
    this.#owners.clear();
  }
}
