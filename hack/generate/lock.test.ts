// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { generateLock, staleFields } from "./lock.ts";

t.test("package-lock.json is that of package.json", async (t) => {
  t.strictSame(await generateLock({ check: true }), [], "stale: run `npm run generate -- lock`");
});

t.test("a dependency that the lock has in another version, or not at all, makes it stale", (t) => {
  const project = { name: "weft", version: "1.0.0", dependencies: { a: "^1.0.0" } };
  t.strictSame(staleFields(project, { ...project }), []);
  t.strictSame(staleFields(project, { ...project, dependencies: { a: "^2.0.0" } }), ["dependencies"]);
  t.strictSame(staleFields({ ...project, devDependencies: { b: "1" } }, project), ["devDependencies"]);
  t.strictSame(staleFields({ ...project, version: "1.1.0" }, project), ["version"]);
  t.end();
});
