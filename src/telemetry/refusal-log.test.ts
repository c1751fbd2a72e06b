// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { logRefusals } from "./refusal-log.ts";

t.test("refused requests are logged with their number, of each kind once a minute", async (t) => {
  let now = 0;
  const lines: unknown[] = [];
  const refused = logRefusals({ now: () => now }, { warn: (fields) => lines.push(fields) });
  for (const from of ["192.0.2.1", "192.0.2.2"]) refused("unauthenticated", from);
  refused("forbidden", "192.0.2.3");
  now = 60_000;
  refused("unauthenticated", "192.0.2.4");
  t.strictSame(lines, [
    { refusal: "unauthenticated", from: "192.0.2.1", requests: 1 },
    { refusal: "forbidden", from: "192.0.2.3", requests: 1 },
    { refusal: "unauthenticated", from: "192.0.2.4", requests: 2 },
  ]);
});
