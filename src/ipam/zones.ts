// SPDX-License-Identifier: Apache-2.0

import {
  compareOffsets,
  intersectSpans,
  mergeSpans,
  type Offset,
  predecessor,
  type Span,
  successor,
} from "./offset.ts";

/** How an address may be allocated: without an explicit request (`auto`), on explicit request only (`excluded`), or never. */
export type ZoneKind = "auto" | "excluded" | "gateway" | "network" | "broadcast" | "node";

/** Consecutive addresses of one kind. */
export interface Zone extends Span {
  readonly kind: ZoneKind;
  /** The IPPool that they belong to; "" for the rest of the subnet. */
  readonly pool: string;
  /** The node, if `kind` is `node`. */
  readonly holder: string | undefined;
}

/** An address that is never allocated. */
export interface Special {
  readonly at: Offset;
  readonly kind: "gateway" | "network" | "broadcast" | "node";
  readonly holder?: string | undefined;
}

/** A subnet's configuration of one family. */
export interface Layout {
  readonly cidr: Span;
  /** If two contain the same address, the first one applies. */
  readonly specials: readonly Special[];
  readonly excluded: readonly Span[];
  readonly pools: readonly { readonly name: string; readonly spans: readonly Span[] }[];
}

/** Addresses in two pools. The first pool keeps them. */
export interface Overlap extends Span {
  readonly pool: string;
  readonly keptBy: string;
}

/** Divides a CIDR into ascending zones without gaps. O(n log n) in the entries of the layout. */
export function buildZones(layout: Layout): { zones: Zone[]; overlaps: Overlap[] } {
  const { first, last } = layout.cidr;
  const specials = new Map<Offset, Special>();
  for (const special of layout.specials) if (!specials.has(special.at)) specials.set(special.at, special);
  const excluded = mergeSpans(layout.excluded);
  const { claims, overlaps } = claimPools(layout.pools);

  const cuts: Offset[] = [first];
  const cut = (from: Offset, to: Offset): void => {
    if (from > first && from <= last) cuts.push(from);
    const after = successor(to);
    if (after > first && after <= last) cuts.push(after);
  };
  for (const at of specials.keys()) cut(at, at);
  for (const span of excluded) cut(span.first, span.last);
  for (const claim of claims) cut(claim.first, claim.last);
  cuts.sort(compareOffsets);

  const zones: { -readonly [K in keyof Zone]: Zone[K] }[] = [];
  let inExcluded = 0;
  let inClaims = 0;
  for (let i = 0; i < cuts.length; i++) {
    const from = cuts[i] as Offset;
    const next = cuts[i + 1];
    if (from === next) continue;
    while (inExcluded < excluded.length && (excluded[inExcluded] as Span).last < from) inExcluded++;
    while (inClaims < claims.length && (claims[inClaims] as Span).last < from) inClaims++;
    const special = specials.get(from);
    const claim = claims[inClaims];
    const isExcluded = (excluded[inExcluded]?.first ?? Number.POSITIVE_INFINITY) <= from;
    const kind = special?.kind ?? (isExcluded ? "excluded" : "auto");
    const pool = claim !== undefined && claim.first <= from ? claim.pool : "";
    const holder = special?.holder;
    const to = next === undefined ? last : predecessor(next);
    const previous = zones.at(-1);
    if (previous?.kind === kind && previous.pool === pool && previous.holder === holder) previous.last = to;
    else zones.push({ first: from, last: to, kind, pool, holder });
  }
  return { zones, overlaps };
}

/** Assigns every address of the pools to the first pool that contains it. Ascending. */
function claimPools(pools: Layout["pools"]): { claims: (Span & { pool: string })[]; overlaps: Overlap[] } {
  let claims: (Span & { pool: string })[] = [];
  const overlaps: Overlap[] = [];
  for (const { name, spans } of pools) {
    const mine: (Span & { pool: string })[] = [];
    let i = 0;
    for (const span of mergeSpans(spans)) {
      let from = span.first;
      while (i < claims.length && (claims[i] as Span).last < from) i++;
      for (; i < claims.length && (claims[i] as Span).first <= span.last; i++) {
        const claim = claims[i] as Span & { pool: string };
        if (from < claim.first) mine.push({ first: from, last: predecessor(claim.first), pool: name });
        const shared = intersectSpans(claim, { first: from, last: span.last });
        if (shared === undefined) continue;
        overlaps.push({ ...shared, pool: name, keptBy: claim.pool });
        from = successor(shared.last);
        if (claim.last > span.last) break;
      }
      if (from <= span.last) mine.push({ first: from, last: span.last, pool: name });
    }
    claims = [...claims, ...mine].sort((a, b) => compareOffsets(a.first, b.first));
  }
  return { claims, overlaps };
}
