// SPDX-License-Identifier: Apache-2.0

import { macNumberFromBytes } from "../net/mac.ts";
import { NumberMap } from "./number-map.ts";

/**
 * A source of new MAC addresses: six bytes for an owner's n-th attempt (from 0). The lowest two bits of the first byte are overwritten. It may be
 * random or, like `hashedMacs`, a function of its arguments. The bytes are read before the next call, so a source may reuse one array.
 */
export type MacSource = (owner: string, attempt: number) => Uint8Array;

/**
 * A MAC source without randomness: a hash of salt, owner and attempt (FNV-1a, twice over, mixed). An owner therefore gets the same MAC again even if
 * its record was lost. The salt makes the MACs of two clusters on one network differ.
 */
export function hashedMacs(salt: string): MacSource {
  const saltLow = fnv1a(salt, 0x811c9dc5);
  const saltHigh = fnv1a(salt, 0x01234567);
  const bytes = new Uint8Array(6);
  return (owner, attempt) => {
    const low = mix(fnv1a(owner, saltLow) ^ attempt);
    const high = mix(fnv1a(owner, saltHigh) ^ Math.imul(attempt + 1, 0x9e3779b1));
    bytes[0] = high >>> 8;
    bytes[1] = high;
    bytes[2] = low >>> 24;
    bytes[3] = low >>> 16;
    bytes[4] = low >>> 8;
    bytes[5] = low;
    return bytes;
  };
}

function fnv1a(text: string, seed: number): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}

/** The finalizer of MurmurHash3: every input bit reaches every output bit. */
function mix(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** The number of attempts before a request is refused. Two collisions in a row have a probability of about 2^-40. */
const ATTEMPTS = 64;

/** The MAC addresses of one broadcast domain and their holders. `H`: the type of a holder. */
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

  /** A free MAC for an owner; `undefined` if all candidates of the source are in use. */
  generate(source: MacSource, owner: string): number | undefined {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const mac = macNumberFromBytes(source(owner, attempt));
      if (this.#holders.get(mac) === undefined && !this.#reserved.has(mac)) return mac;
    }
    return undefined;
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
