// SPDX-License-Identifier: Apache-2.0

import { macNumberFromBytes } from "../net/mac.ts";
import { NumberMap } from "./number-map.ts";

/**
 * Where new MAC addresses come from: six bytes for an owner's n-th attempt (from 0). The lowest two bits of the first byte
 * are overwritten. It may be random or, like `hashedMacs`, a function of its arguments. The bytes are read before the next
 * call, so a source may use one array for all.
 */
export type MacSource = (owner: string, attempt: number) => Uint8Array;

/**
 * A MAC source without randomness: a hash of salt, owner and attempt (FNV-1a, twice over, mixed). An owner therefore
 * gets the same MAC again even where all memory of it was lost. The salt keeps two clusters on one wire apart.
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

/** How many attempts a source gets before a request is refused. Two in a row are already a one in 2^40 event. */
const ATTEMPTS = 64;

/** The MAC addresses of one broadcast domain: who has which. `H` is what is known of a holder. */
export class MacTable<H> {
  /** 48-bit number → who has it */
  readonly #holders = new NumberMap<H>();
  /** 48-bit number → subnet that says nobody may have it → whose it is (its router port's) */
  readonly #reserved = new Map<number, Map<string, string>>();

  /** How often a MAC was released. */
  releases = 0;

  /** Who has the MAC. */
  holder(mac: number): H | undefined {
    return this.#holders.get(mac);
  }

  /** Whose the MAC is, if it is one that nobody may have. */
  reservedFor(mac: number): string | undefined {
    return this.#reserved.get(mac)?.values().next().value;
  }

  /** A free MAC for an owner; `undefined` if the source names only taken ones. */
  generate(source: MacSource, owner: string): number | undefined {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const mac = macNumberFromBytes(source(owner, attempt));
      if (this.#holders.get(mac) === undefined && !this.#reserved.has(mac)) return mac;
    }
    return undefined;
  }

  /** Gives a MAC, which nobody may have, to a holder. */
  take(mac: number, holder: H): void {
    this.#holders.set(mac, holder);
  }

  /** Takes a MAC back, unless somebody else has it. */
  release(mac: number, holder: H): void {
    if (this.#holders.get(mac) !== holder) return;
    this.#holders.delete(mac);
    this.releases++;
  }

  /** Says, on behalf of a subnet, that nobody may have the MAC. Whoever has it already keeps it. */
  reserve(mac: number, subnet: string, holder: string): void {
    const reservations = this.#reserved.get(mac);
    if (reservations === undefined) this.#reserved.set(mac, new Map([[subnet, holder]]));
    else reservations.set(subnet, holder);
  }

  /** Takes back what `reserve` said. */
  unreserve(mac: number, subnet: string): void {
    const reservations = this.#reserved.get(mac);
    if (reservations?.delete(subnet) !== true || reservations.size > 0) return;
    this.#reserved.delete(mac);
    this.releases++;
  }
}
