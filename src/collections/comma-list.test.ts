// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { commaList } from "./comma-list.ts";

t.test("a list in a text has no blanks around its entries and no empty entries", (t) => {
  t.strictSame(commaList("a, b ,c d"), ["a", "b", "c d"]);
  t.strictSame(commaList(",a,, "), ["a"]);
  t.strictSame(commaList(""), []);
  t.end();
});
