// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { hashOf, linkTo, parseHash, VIEWS } from "./route.ts";

t.test("a route is read back from its address, whatever its names contain", async (t) => {
  const text = fc.string({ minLength: 1, unit: "grapheme" });
  const route = fc.record({
    view: fc.constantFrom(...VIEWS),
    path: fc.array(text, { maxLength: 3 }),
    query: fc.dictionary(fc.constantFrom("q", "from", "to"), text),
  });
  fc.assert(
    fc.property(route, (one) => {
      t.strictSame(parseHash(hashOf(one)), { ...one, query: { ...one.query } });
    }),
  );
});

t.test("an unknown or malformed address is the overview", async (t) => {
  for (const hash of ["", "#", "#/", "#/nowhere", "#/pods/%E0%A4%A"]) t.equal(parseHash(hash).view, "overview", hash);
});

t.test("an empty value is left out of an address", async (t) => {
  t.equal(linkTo("pods", ["shop", "a/b"], { q: "", ns: "x y" }), "#/pods/shop/a%2Fb?ns=x+y");
});
