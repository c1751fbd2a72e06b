// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { withRepository } from "./chart.ts";

t.test("a released chart's values name the released image, and keep their comments", (t) => {
  const values = '# What this is.\nimage:\n  # One image.\n  repository: weft.local/weft\n  tag: ""\nmtu: 0 # none\n';
  t.equal(withRepository(values, "ghcr.io/x/weft"), values.replace("weft.local/weft", "ghcr.io/x/weft"));
  t.throws(() => withRepository("mtu: 0\n", "x"), { code: "unsupported" });
  t.end();
});
