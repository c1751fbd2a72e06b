// SPDX-License-Identifier: Apache-2.0

import { type Claim, type Claimant, claimId } from "../../claims/claim.ts";
import type { FactStore } from "../../facts/store.ts";
import type { Refusal } from "../../ipam/refusal.ts";

/** What {@link Refusals} is given. */
export interface RefusalsOptions {
  readonly facts: FactStore;
  /** Somebody cannot get an address; said once for each reason. */
  readonly refused: (claimant: Claimant, refusal: Refusal) => void;
}

/** Which claims were refused, and what their objects were told: in an Event, and in a condition by the claim's verdict. */
export class Refusals {
  readonly #options: RefusalsOptions;
  /** Claim → the reason that was told, and the key of its verdict. */
  readonly #told = new Map<string, { readonly reason: string; readonly verdict: string | undefined }>();

  constructor(options: RefusalsOptions) {
    this.#options = options;
  }

  /** How many claims are refused. */
  get size(): number {
    return this.#told.size;
  }

  /** Whether a claim is refused, and its object knows why. */
  has(id: string): boolean {
    return this.#told.has(id);
  }

  /** A claim was refused. */
  add(claim: Claim, refusal: Refusal): void {
    const { claimant, subject, verdict: key } = claim;
    const { facts, refused } = this.#options;
    const { code, message, subnet, value, holder } = refusal;
    if (key !== undefined) facts.set("verdicts", key, { key, ok: false, reason: code, message });
    // Not the whole sentence: who else holds addresses of a pool changes all the time.
    const reason = [code, subnet, value, holder].join(" ");
    const id = claimId(claim);
    const known = this.#told.get(id)?.reason === reason;
    this.#told.set(id, { reason, verdict: key });
    if (known) return;
    refused(claimant, subject === undefined ? refusal : { ...refusal, message: `Interface "${subject}": ${message}` });
  }

  /** A claim is met, or is not made any more: what was said of it is over. */
  delete(id: string): void {
    const { verdict } = this.#told.get(id) ?? {};
    this.#told.delete(id);
    if (verdict !== undefined) this.#options.facts.set("verdicts", verdict, undefined);
  }

  /** Nothing is refused any more. */
  clear(): void {
    for (const id of [...this.#told.keys()]) this.delete(id);
  }
}
