// SPDX-License-Identifier: Apache-2.0

import { runInNewContext } from "node:vm";
import t from "tap";
import { inAscii } from "./build.ts";

await t.test("a script in ASCII means what it meant", async (t) => {
  const script = '["–", `… 2 😀`, /^[é-ü]$/.test("ö"), /😀{2}/u.test("😀😀"), { größe: 1 }.größe]';
  const ascii = inAscii(script);
  t.match(ascii, /^[\x20-\x7e]+$/);
  t.strictSame([...(runInNewContext(ascii) as unknown[])], ["–", "… 2 😀", true, true, 1]);
});
