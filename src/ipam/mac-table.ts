// SPDX-License-Identifier: Apache-2.0

import { NumberMap } from "./number-map.ts";

/** The MAC addresses of one broadcast domain and their holders: which are in use. Which one a lease gets is decided in `mac-choice.ts`. `H`: the type of a holder. */
export class MacTable<H> {
  /** 48-bit number → holder */
  readonly #holders = new NumberMap<H>();
  /** 48-bit number → subnet that reserves it → the owner (its router port) */
  readonly #reserved = new Map<number, Map<string, string>>();

  /** The number of releases. */
  releases = 0;

  /** The holder of a MAC. */
  holder(mac: number): H | undefined {
    return this.#holders.get(mac);
  }

  /** The owner for which a MAC is reserved, if any. */
  reservedFor(mac: number): string | undefined {
    return this.#reserved.get(mac)?.values().next().value;
  }

  /** Assigns a free MAC to a holder. */
  take(mac: number, holder: H): void {
    this.#holders.set(mac, holder);
  }

  /** Releases a MAC if this holder has it. */
  release(mac: number, holder: H): void {
    if (this.#holders.get(mac) !== holder) return;
    this.#holders.delete(mac);
    this.releases++;
  }

  /** Reserves a MAC on behalf of a subnet, so that it is not allocated. A current holder keeps it. */
  reserve(mac: number, subnet: string, holder: string): void {
    const reservations = this.#reserved.get(mac);
    if (reservations === undefined) this.#reserved.set(mac, new Map([[subnet, holder]]));
    else reservations.set(subnet, holder);
  }

  /** Undoes `reserve`. */
  unreserve(mac: number, subnet: string): void {
    const reservations = this.#reserved.get(mac);
    if (reservations?.delete(subnet) !== true || reservations.size > 0) return;
    this.#reserved.delete(mac);
    this.releases++;
  }
}
