// SPDX-License-Identifier: Apache-2.0

import { InvalidArgumentError } from "commander";
import t from "tap";
import { numberOption } from "./number-option.ts";

t.test("a number flag takes whole numbers between its limits and nothing else", async (t) => {
  const parse = numberOption(1, 3600);
  t.strictSame(["1", "60", "3600"].map(parse), [1, 60, 3600]);
  for (const text of ["", "0", "3601", "-1", "1.5", "1e3", " 1", "one"])
    t.throws(() => parse(text), new InvalidArgumentError("must be 1 to 3600"), text);
});
