// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { generateSpdx, withLicence } from "./spdx.ts";

t.test("each source file says under what licence it is", async (t) => {
  t.strictSame(await generateSpdx({ check: true }), [], "run `npm run generate -- spdx`");
});

for (const [file, text, marked] of [
  ["src/a.ts", "import x;\n", "// SPDX-License-Identifier: Apache-2.0\n\nimport x;\n"],
  ["hack/a", "#!/bin/sh\nset -e\n", "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\nset -e\n"],
  [
    "Dockerfile",
    "# syntax=docker/dockerfile:1\nFROM x\n",
    "# syntax=docker/dockerfile:1\n# SPDX-License-Identifier: Apache-2.0\nFROM x\n",
  ],
  ["crds/a.yaml", "a: 1\n", "# SPDX-License-Identifier: Apache-2.0\na: 1\n"],
  ["charts/weft/values.yaml", "a: 1\n", "# SPDX-License-Identifier: Apache-2.0\na: 1\n"],
  ["charts/weft/templates/a.yaml", "a: 1\n", "{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}\na: 1\n"],
] as const) {
  t.test(`${file} gets the line once`, (t) => {
    t.equal(withLicence(file, text), marked);
    t.equal(withLicence(file, marked), marked);
    t.end();
  });
}

t.test("documents, data, golden files and what Helm prints are no source", (t) => {
  for (const file of ["README.md", "a.json", "src/x.golden/a.txt", "charts/weft/templates/NOTES.txt", "LICENSE"]) {
    t.equal(withLicence(file, "text\n"), undefined, file);
  }
  t.end();
});
