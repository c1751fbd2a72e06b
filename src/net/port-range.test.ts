// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { DEFAULT_NODE_PORTS, parsePortRange, portRangeText } from "./port-range.ts";

t.test("a range of ports is two numbers in order, and nothing else", async (t) => {
  t.same(parsePortRange("30000-32767"), DEFAULT_NODE_PORTS);
  t.same(parsePortRange("80-80"), { first: 80, last: 80 });
  t.equal(portRangeText({ first: 1, last: 65_535 }), "1-65535");
  for (const text of ["", "80", "80-", "-80", "90-80", "0-80", "1-65536", "1-2-3", " 1-2", "1..2", "1-2\n"]) {
    t.equal(parsePortRange(text), undefined, JSON.stringify(text));
  }
});
