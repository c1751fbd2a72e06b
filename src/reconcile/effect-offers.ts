// SPDX-License-Identifier: Apache-2.0

import type { Effect } from "../desired/fragment.ts";
import type { Desired } from "./desired.ts";

/** Carries out the effects of a unit. `renew`: an effect that was carried out may have been undone since. */
export type OfferEffects<E extends Effect> = (unit: string, effects: readonly E[], renew: boolean) => void;

/** Decides when the effects of a unit are carried out: once, after its rows are committed. */
export class EffectOffers<E extends Effect> {
  readonly #desired: Desired<E>;
  readonly #offer: OfferEffects<E>;
  readonly #due = new Set<string>();
  /** Due units whose effects may have been undone since they were last offered. */
  readonly #renewed = new Set<string>();
  /** Units with rows that wait for the row that would hold them. */
  readonly #deferred = new Set<string>();

  constructor(desired: Desired<E>, offer: OfferEffects<E>) {
    this.#desired = desired;
    this.#offer = offer;
  }

  /** Units whose effects are to be offered when they are committed. */
  get due(): ReadonlySet<string> {
    return this.#due;
  }

  /** Whether the effects of a unit wait until `resume` or `replaced`. */
  isDeferred(unit: string): boolean {
    return this.#deferred.has(unit);
  }

  /** The unit has a new fragment. */
  replaced(unit: string): void {
    this.#deferred.delete(unit);
    this.#due.add(unit);
  }

  /** The next offer of the unit is to repeat effects that were carried out before. */
  renew(unit: string): void {
    this.#renewed.add(unit);
  }

  /** Makes the effects of a unit due again. False if it has none or is deferred. */
  repeat(unit: string): boolean {
    const effects = this.#desired.fragment(unit)?.effects ?? [];
    if (effects.length === 0 || this.#deferred.has(unit)) return false;
    this.#due.add(unit);
    return true;
  }

  /** Keeps the effects of a unit back until `resume` or `replaced`. */
  defer(unit: string): void {
    this.#due.delete(unit);
    this.#deferred.add(unit);
  }

  /** The row that a deferred unit waits for may exist now. */
  resume(unit: string): void {
    if (this.#deferred.delete(unit)) this.#due.add(unit);
  }

  /** The unit is committed: offers its effects if they are due. */
  committed(unit: string): void {
    if (!this.#due.delete(unit)) return;
    this.#offer(unit, this.#desired.fragment(unit)?.effects ?? [], this.#renewed.delete(unit));
  }
}
