// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { setNewest } from "./newest.ts";

t.test("the oldest keys go when there are too many, and a key that is set again is the newest", async (t) => {
  const map = new Map<string, number>();
  for (const key of ["a", "b", "a", "c"]) setNewest(map, key, map.size, 2);
  t.strictSame([...map.keys()], ["a", "c"]);
});
