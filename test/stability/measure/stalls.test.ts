// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { stallsIn } from "./stalls.ts";

const LOG = `2026-01-01T00:00:09.000Z|00001|timeval|WARN|Unreasonably long 1007ms poll interval (0ms user, 0ms system)
2026-01-01T00:00:12.500Z|00002|timeval|WARN|Unreasonably long 2294ms poll interval (1ms user, 2ms system)
2026-01-01T00:00:12.500Z|00003|timeval|WARN|faults: 3 minor, 0 major
2026-01-01T00:00:13.000Z|00004|timeval(revalidator4)|WARN|Unreasonably long 1150ms poll interval (0ms user, 0ms system)
`;

t.test("stalls are those of the thread that forwards packets, since the load began", async (t) => {
  t.strictSame(stallsIn(LOG, "n1", Date.parse("2026-01-01T00:00:10Z")), [
    { node: "n1", at: 2_500, ms: 2_294, computedMs: 3 },
  ]);
  t.strictSame(stallsIn("", "n1", 0), []);
});
