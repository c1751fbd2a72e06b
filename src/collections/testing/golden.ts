// SPDX-License-Identifier: Apache-2.0

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { Test } from "tap";

/** Compares a text with a golden file, named by `new URL("./plan.golden/labels.txt", import.meta.url)`; WEFT_GOLDEN=write regenerates the file. */
export function equalsGolden(t: Pick<Test, "equal">, file: URL, text: string): void {
  if (process.env["WEFT_GOLDEN"] === "write") writeFileSync(file, text);
  t.equal(text, existsSync(file) ? readFileSync(file, "utf8") : "", file.pathname.split("/").at(-1) ?? "");
}
