// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { formatTable, printable } from "./table.ts";

t.test("control characters of terminals are not printed", async (t) => {
  const text = formatTable(["NAME"], [["web \u001b[31m\u009b2J\r\b\u0007 ✓ äö 名"]]);
  t.equal(printable(text), "NAME\nweb �[31m�2J��� ✓ äö 名\n");
});
