// SPDX-License-Identifier: Apache-2.0

import type { Family, Ip } from "../net/address.ts";
import { formatIpv4, formatIpv6, formatIpv6Groups, ipv6Groups, parseIpv4, parseIpv6 } from "../net/address.ts";
import { FreeList } from "./free-list.ts";
import {
  intersectSpans,
  lastAtOrBefore,
  type Offset,
  offsetOf,
  predecessor,
  type Span,
  spanSize,
  successor,
} from "./offset.ts";
import { OffsetMap } from "./offset-map.ts";
import { buildZones, type Layout, type Overlap, type Zone } from "./zones.ts";

/** See `AddressSpace.ageFree`. */
const LARGE_GAP = 4_096n;

/**
 * The addresses of one family in one subnet: their holders, and the order in which free ones are allocated. `H`: the type of a holder. An address
 * that was never allocated needs no memory.
 */
export class AddressSpace<H> {
  readonly family: Family;
  /** The origin of offsets. It does not change with the CIDR, so that offsets stay valid. */
  readonly #origin: bigint;
  readonly #originV4: number;
  readonly #originGroups: readonly number[];
  /** offset → holder, also of addresses outside the current CIDR */
  readonly #holders = new OffsetMap<H>();
  #zones: readonly Zone[] = [];
  /** `first` of every zone: an array of its own because it is searched often. */
  #starts: readonly Offset[] = [];
  /** pool → its free list; "" is the rest of the subnet */
  #freeLists = new Map<string, FreeList>();
  #tick = 0;

  constructor(family: Family, origin: bigint) {
    this.family = family;
    this.#origin = origin;
    this.#originV4 = family === 4 ? Number(origin) : 0;
    this.#originGroups = family === 6 ? ipv6Groups(origin) : [];
  }

  /** The number of held addresses, including those outside the CIDR. */
  get held(): number {
    return this.#holders.size;
  }

  /** The zones, in order. None while the subnet has no CIDR of the family. */
  get zones(): readonly Zone[] {
    return this.#zones;
  }

  /** The addresses in use as ascending spans. O(n log n). */
  *usedSpans(): Generator<Span, undefined, undefined> {
    let first: Offset | undefined;
    let last: Offset = 0;
    for (const c of this.#holders.sortedKeys()) {
      if (first !== undefined && c === successor(last)) {
        last = c;
        continue;
      }
      if (first !== undefined) yield { first, last };
      first = c;
      last = c;
    }
    if (first !== undefined) yield { first, last };
  }

  /** The free lists of all pools; "" is the rest of the subnet. */
  freeLists(): Iterable<FreeList> {
    return this.#freeLists.values();
  }

  /** The free list of one pool. */
  freeList(pool: string): FreeList | undefined {
    return this.#freeLists.get(pool);
  }

  /** Parses an address of this family. */
  parse(text: string): Offset | undefined {
    if (this.family === 4) {
      const value = parseIpv4(text);
      return value === undefined ? undefined : value - this.#originV4;
    }
    const value = parseIpv6(text);
    return value === undefined ? undefined : offsetOf(value - this.#origin);
  }

  /** The offset of an address of this family. */
  offset(ip: Ip): Offset {
    return offsetOf(ip.value - this.#origin);
  }

  /** The offset of an address of this family given as a number. */
  offsetOfValue(value: bigint): Offset {
    return offsetOf(value - this.#origin);
  }

  /** The canonical text of an address. */
  text(c: Offset): string {
    if (this.family === 4) return formatIpv4(this.#originV4 + Number(c));
    if (typeof c === "bigint" || c < 0) return formatIpv6(this.#origin + BigInt(c));
    const groups = this.#originGroups.slice();
    let rest = c;
    for (let i = 7; rest > 0 && i >= 0; i--) {
      const sum = (groups[i] ?? 0) + (rest % 65536);
      groups[i] = sum & 0xffff;
      rest = Math.floor(rest / 65536) + (sum >>> 16);
    }
    return formatIpv6Groups(groups);
  }

  /** Who holds the address. */
  holder(c: Offset): H | undefined {
    return this.#holders.get(c);
  }

  /** The holders of a pool's addresses, by ascending address. */
  *holdersOf(pool: string): Generator<H, undefined, undefined> {
    for (const { first, last } of this.#freeLists.get(pool)?.zones ?? []) {
      for (let c = first; c <= last; c = successor(c)) {
        const holder = this.#holders.get(c);
        if (holder !== undefined) yield holder;
      }
    }
  }

  /** The zone of an address; `undefined` outside the CIDR. */
  zoneOf(c: Offset): Zone | undefined {
    const zone = this.#zones[lastAtOrBefore(this.#starts, c)];
    return zone !== undefined && c <= zone.last ? zone : undefined;
  }

  /** The next free address of the pool, if there is one. Does not take it. */
  next(pool: string): Offset | undefined {
    return this.#freeLists.get(pool)?.next(this.#holders);
  }

  /** Assigns a free address to a holder. */
  take(c: Offset, holder: H): void {
    this.#holders.set(c, holder);
    const zone = this.zoneOf(c);
    const list = zone && this.#freeLists.get(zone.pool);
    if (zone === undefined || list === undefined) return;
    if (zone.kind === "auto") {
      list.used++;
      if (list.released.size > 0) list.released.delete(c);
    } else {
      list.usedOutside++;
    }
  }

  /** Releases an address. It is allocated again after all addresses that are free now. */
  release(c: Offset): void {
    if (!this.#holders.delete(c)) return;
    const zone = this.zoneOf(c);
    const list = zone && this.#freeLists.get(zone.pool);
    if (zone === undefined || list === undefined) return;
    if (zone.kind === "auto") {
      list.used--;
      list.released.push(c, this.#tick++);
    } else {
      list.usedOutside--;
    }
  }

  /**
   * Applies a changed CIDR, exclusions or pools. Holders keep their addresses, and released addresses keep their place in the queue. O(n log n) in
   * the layout's lists and the addresses held.
   */
  rebuild(layout: Layout | undefined): readonly Overlap[] {
    const { zones, overlaps } = layout === undefined ? { zones: [], overlaps: [] } : buildZones(layout);
    const before = this.#freeLists;
    const autoZones = new Map<string, Zone[]>([["", []]]);
    for (const { name } of layout?.pools ?? []) autoZones.set(name, []);
    for (const zone of zones) if (zone.kind === "auto") autoZones.get(zone.pool)?.push(zone);
    this.#zones = zones;
    this.#starts = zones.map((zone) => zone.first);
    this.#freeLists = new Map();
    if (layout !== undefined) for (const [pool, list] of autoZones) this.#freeLists.set(pool, new FreeList(pool, list));
    for (const [c] of this.#holders.entries()) this.#count(c);
    this.#keepReleased(before.values());
    return overlaps;
  }

  /**
   * Treats free addresses between used ones as released: after a start it is unknown which of them were in use recently, and addresses that were
   * never allocated are preferred. Stops at a gap of more than `LARGE_GAP` addresses: those beyond were requested explicitly. To be called at the
   * start, before any release. O(n log n) in the addresses held.
   */
  ageFree(): void {
    const lists = new Map<string, { gaps: Span[]; known: number; ended: boolean }>();
    const spans = this.usedSpans()[Symbol.iterator]();
    let used = spans.next();
    for (const zone of this.#zones) {
      const list = lists.get(zone.pool) ?? { gaps: [], known: 0, ended: false };
      lists.set(zone.pool, list);
      const gap = (first: Offset, last: Offset): void => {
        if (zone.kind !== "auto" || first > last) return;
        if (spanSize(first, last) > LARGE_GAP) list.ended = true;
        if (!list.ended) list.gaps.push({ first, last });
      };
      let from: Offset = zone.first;
      while (used.done !== true && used.value.first <= zone.last) {
        const part: Span = used.value;
        if (part.first > from) gap(from, predecessor(part.first));
        // Only gaps with a used address behind them count.
        if (zone.kind === "auto" && !list.ended) list.known = list.gaps.length;
        from = successor(part.last);
        if (part.last > zone.last) break;
        used = spans.next();
      }
      gap(from, zone.last);
    }
    for (const [pool, { gaps, known }] of lists) {
      const released = this.#freeLists.get(pool)?.released;
      if (released === undefined || released.size > 0) continue;
      for (const span of gaps.slice(0, known)) released.pushOld(span, Number(spanSize(span.first, span.last)));
    }
  }

  /** The holders of addresses outside the CIDR. */
  *outside(): Generator<H, undefined, undefined> {
    for (const [c, holder] of this.#holders.entries()) if (this.zoneOf(c) === undefined) yield holder;
  }

  #count(c: Offset): void {
    const zone = this.zoneOf(c);
    const list = zone && this.#freeLists.get(zone.pool);
    if (list === undefined) return;
    if (zone?.kind === "auto") list.used++;
    else list.usedOutside++;
  }

  #keepReleased(lists: Iterable<FreeList>): void {
    const waiting: { at: Offset; tick: number }[] = [];
    for (const list of lists) {
      for (const span of list.released.oldSpans()) this.#keepOld(span);
      waiting.push(...list.released.entries());
    }
    waiting.sort((a, b) => a.tick - b.tick);
    for (const { at, tick } of waiting) {
      const zone = this.zoneOf(at);
      // Released addresses outside the new layout are forgotten; if the layout includes them again, they count as never allocated.
      if (zone?.kind === "auto") this.#freeLists.get(zone.pool)?.released.push(at, tick);
    }
  }

  #keepOld(span: Span): void {
    let from = span.first;
    while (from <= span.last) {
      const zone = this.zoneOf(from) ?? this.#zones[lastAtOrBefore(this.#starts, from) + 1];
      if (zone === undefined || zone.first > span.last) return;
      const part = intersectSpans(zone, { first: from, last: span.last });
      if (part === undefined) return;
      if (zone.kind === "auto") {
        this.#freeLists.get(zone.pool)?.released.pushOld(part, Number(spanSize(part.first, part.last)));
      }
      from = successor(part.last);
    }
  }
}
