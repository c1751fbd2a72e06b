// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { keptFor } from "./kept-for.ts";

t.test("a value is kept for its time, also while it is being read", async (t) => {
  let [now, reads] = [0, 0];
  const read = keptFor({ now: () => now }, 1000, async () => ++reads);
  t.same(await Promise.all([read(), read()]), [1, 1]);
  now = 999;
  t.equal(await read(), 1);
  now = 1000;
  t.equal(await read(), 2);
});
