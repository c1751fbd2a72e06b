// SPDX-License-Identifier: Apache-2.0

import { type Claim, type Claimant, claimId } from "../../claims/claim.ts";
import type { FactStore } from "../../facts/store.ts";
import type { Refusal } from "../../ipam/refusal.ts";

/** The dependencies of {@link Refusals}. */
export interface RefusalsOptions {
  readonly facts: FactStore;
  /** Called when a claim is refused, once for each reason. Writes the Event: `Reporter.addressRefused` in status/reporter.ts. */
  readonly refused: (claimant: Claimant, refusal: Refusal) => void;
}

/** The refused claims and what was reported to their objects: in an Event, and in a condition by the claim's verdict. */
export class Refusals {
  readonly #options: RefusalsOptions;
  /** Claim → the reported reason and the key of its verdict. */
  readonly #reported = new Map<string, { readonly reason: string; readonly verdict: string | undefined }>();

  constructor(options: RefusalsOptions) {
    this.#options = options;
  }

  /** The number of refused claims. */
  get size(): number {
    return this.#reported.size;
  }

  /** Whether a claim is refused and that was reported. */
  has(id: string): boolean {
    return this.#reported.has(id);
  }

  /** A claim was refused. */
  add(claim: Claim, refusal: Refusal): void {
    const { claimant, subject, verdict: key } = claim;
    const { facts, refused } = this.#options;
    const { code, message, subnet, value, holder } = refusal;
    if (key !== undefined) facts.set("verdicts", key, { key, ok: false, reason: code, message });
    // Not the complete message: the holders of a pool's addresses change often.
    const reason = [code, subnet, value, holder].join(" ");
    const id = claimId(claim);
    const known = this.#reported.get(id)?.reason === reason;
    this.#reported.set(id, { reason, verdict: key });
    if (known) return;
    refused(claimant, subject === undefined ? refusal : { ...refusal, message: `Interface "${subject}": ${message}` });
  }

  /** A claim is met or has ended: removes its refusal and verdict. */
  delete(id: string): void {
    const { verdict } = this.#reported.get(id) ?? {};
    this.#reported.delete(id);
    if (verdict !== undefined) this.#options.facts.set("verdicts", verdict, undefined);
  }

  /** Removes all refusals. */
  clear(): void {
    for (const id of [...this.#reported.keys()]) this.delete(id);
  }
}
