// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { bundledPackages, parseDpkgStatus } from "./bill-of-materials.ts";

t.test("a bundle's packages are those that its modules' comments name", (t) => {
  const bundle = `// node_modules/pino/lib/a.js
var a = "// node_modules/not-one/x.js";
// node_modules/@scope/one/index.js
// ../../x/node_modules/yaml/dist/y.js
// node_modules/pino/node_modules/inner/z.js
// src/node_modules.ts
`;
  t.strictSame([...bundledPackages(bundle)].sort(), ["@scope/one", "inner", "pino", "yaml"]);
  t.end();
});

t.test("of dpkg's status, installed packages count, with their sources", (t) => {
  const status = `Package: ovn-central
Status: install ok installed
Architecture: amd64
Source: ovn
Version: 25.03.0-1
Description: central
 Package: not-one

Package: gone
Status: deinstall ok config-files
Version: 1

Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2.37-2
`;
  t.strictSame(parseDpkgStatus(status), [
    { name: "bash", version: "5.2.37-2", architecture: "amd64", source: "bash" },
    { name: "ovn-central", version: "25.03.0-1", architecture: "amd64", source: "ovn" },
  ]);
  t.end();
});
