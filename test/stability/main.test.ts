// SPDX-License-Identifier: Apache-2.0

import { join } from "node:path";
import t from "tap";
import { run } from "../../hack/host/run.ts";
import { EXIT } from "./errors.ts";

t.test("the program exits with the code of the run, and prints errors on standard error", async (t) => {
  const main = join(import.meta.dirname, "main.ts");
  const { code, stdout, stderr } = await run(process.execPath, [main], { allowFailure: true });
  t.same([code, stdout], [EXIT.invalid, ""]);
  t.match(stderr, /^Usage: [\s\S]*docs\/stability\.md/);
});
