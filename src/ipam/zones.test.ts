// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { mergeSpans, type Span } from "./offset.ts";
import { buildZones, type Layout } from "./zones.ts";

const span: fc.Arbitrary<Span> = fc
  .tuple(fc.integer({ min: -5, max: 40 }), fc.integer({ min: 0, max: 8 }))
  .map(([first, length]) => ({ first, last: first + length }));

const layout: fc.Arbitrary<Layout> = fc.record({
  cidr: fc.constantFrom({ first: 0, last: 31 }, { first: 0, last: 15 }, { first: 7, last: 7 }),
  specials: fc.array(
    fc.record({
      at: fc.integer({ min: -2, max: 34 }),
      kind: fc.constantFrom<Layout["specials"][number]["kind"]>("gateway", "network", "broadcast", "node"),
    }),
    { maxLength: 4 },
  ),
  excluded: fc.array(span, { maxLength: 4 }),
  pools: fc
    .array(fc.array(span, { maxLength: 3 }), { maxLength: 4 })
    .map((pools) => pools.map((spans, i) => ({ name: `pool-${i}`, spans }))),
});

const within = (spans: readonly Span[], c: number): boolean => spans.some(({ first, last }) => first <= c && c <= last);

t.test("zones cover the CIDR without gap or overlap, and say of each address what the layout says", (t) => {
  fc.assert(
    fc.property(layout, (layout) => {
      const { zones } = buildZones(layout);
      let next = layout.cidr.first;
      for (const zone of zones) {
        if (zone.first !== next || zone.last < zone.first) return false;
        next = Number(zone.last) + 1;
        for (let c = Number(zone.first); c <= Number(zone.last); c++) {
          const special = layout.specials.find(({ at }) => at === c);
          const kind = special?.kind ?? (within(layout.excluded, c) ? "excluded" : "auto");
          const pool = layout.pools.find(({ spans }) => within(spans, c))?.name ?? "";
          if (zone.kind !== kind || zone.pool !== pool) return false;
        }
      }
      return next === Number(layout.cidr.last) + 1;
    }),
    { numRuns: 1_000 },
  );
  t.end();
});

t.test("exactly the addresses that several pools claim are named as overlaps", (t) => {
  fc.assert(
    fc.property(layout, (layout) => {
      const { overlaps } = buildZones(layout);
      for (let c = -6; c <= 50; c++) {
        const claims = layout.pools.filter(({ spans }) => within(spans, c)).map(({ name }) => name);
        const named = overlaps.filter((overlap) => within([overlap], c));
        if (named.length !== Math.max(0, claims.length - 1)) return false;
        if (named.some(({ pool, keptBy }) => keptBy !== claims[0] || !claims.slice(1).includes(pool))) return false;
      }
      return true;
    }),
    { numRuns: 1_000 },
  );
  t.end();
});

t.test("spans that overlap or touch become one", (t) => {
  t.same(
    mergeSpans([
      { first: 8, last: 9 },
      { first: 1, last: 4 },
      { first: 2, last: 3 },
      { first: 5, last: 6 },
    ]),
    [
      { first: 1, last: 6 },
      { first: 8, last: 9 },
    ],
  );
  t.end();
});
